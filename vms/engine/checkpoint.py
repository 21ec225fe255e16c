"""The whole machine as bytes, and back: the same future bit for bit.

Layout: magic, BLAKE2b of the rest, length of the header, header (JSON), the tables one after the
other, compressed with zstd.  A file of another layout or with a wrong checksum is refused.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import zstandard

from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.scenario import Scenario
from vms.engine.state import State, new_table
from vms.engine.storage.vault import Vault
from vms.engine.tables import LAYOUT, LAYOUT_HASH
from vms.engine.workloads.traces import Files

MAGIC = b"VMLAB-2\n"
LEVEL = -2
"""zstd level: a million frames in 89 ms and 19 MiB; level 1 takes 111 ms for 15 MiB."""


@dataclass(frozen=True)
class Frozen:
    """A copy of a machine that goes on: what `pack` makes a checkpoint of, in any thread."""

    tick: int
    header: dict[str, Any]
    tables: list[np.ndarray]


def freeze(machine: Machine, spare: Frozen | None = None) -> Frozen:
    """Return a copy of all that a checkpoint holds; the machine must rest only for this.

    `spare` is a copy that is of no use any more: its memory is used again, which takes a tenth of
    the time where tables are large.
    """
    arrays = machine.state.arrays()
    header = {
        "layout": LAYOUT_HASH,
        "scenario": machine.scenario,
        "vault": machine.vault.dump(),
        "rows": {name: len(array) for name, array in arrays.items()},
    }
    rooms = spare.tables if spare else [None] * len(arrays)
    tables = [_kept(machine, name, room) for name, room in zip(arrays, rooms, strict=True)]
    return Frozen(machine.now, header, tables)


def pack(frozen: Frozen) -> bytes:
    """Return a frozen machine as bytes.  O(tables)."""
    header = {**frozen.header, "scenario": frozen.header["scenario"].dump()}
    text = json.dumps(header, separators=(",", ":")).encode()
    pack = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    body = b"".join(pack.compress(table.data) for table in frozen.tables)
    rest = struct.pack("<I", len(text)) + text + body + pack.flush()
    return MAGIC + hashlib.blake2b(rest, digest_size=16).digest() + rest


def save(machine: Machine) -> bytes:
    """Return the machine as bytes.  Leaves it as it is.  O(tables)."""
    return pack(freeze(machine))


def _kept(machine: Machine, name: str, room: np.ndarray | None) -> np.ndarray:
    """Return a copy of a table's bytes; without addresses, and without events already read."""
    array = getattr(machine.state, name).view(np.ndarray)
    if room is None or len(room) != array.nbytes:
        room = np.zeros(array.nbytes, np.uint8)
    if name == "hooks":
        return room
    if name == "event":
        host = machine.state.host[0]
        unread = np.arange(int(host.events_read), int(host.events)) & (len(array) - 1)
        room[:] = 0
        room.view(array.dtype)[unread] = array[unread]
    else:
        room[:] = array.view(np.uint8).reshape(-1)
    return room


def load(content: bytes, files: Files | None = None) -> Machine:
    """Return the machine that `save` was given.  Raises EngineError for anything else."""
    rest = content[len(MAGIC) + 16 :]
    checksum = hashlib.blake2b(rest, digest_size=16).digest()
    if not content.startswith(MAGIC) or content[len(MAGIC) : len(MAGIC) + 16] != checksum:
        raise EngineError("a checkpoint must carry its checksum, got one that does not match")
    (size,) = struct.unpack_from("<I", rest)
    header: dict[str, Any] = json.loads(rest[4 : 4 + size])
    if header["layout"] != LAYOUT_HASH:
        raise EngineError(
            "a checkpoint must have layout {layout}, got {given}",
            layout=LAYOUT_HASH,
            given=header["layout"],
        )
    body = zstandard.ZstdDecompressor().decompressobj().decompress(rest[4 + size :])
    state = State(**_tables(body, header["rows"]))
    vault = Vault.parse(header["vault"])
    return Machine(Scenario.parse(header["scenario"]), state, files, vault=vault)


def _tables(body: bytes, rows: dict[str, int]) -> dict[str, np.ndarray]:
    tables = {}
    at = 0
    for name, dtype in LAYOUT.items():
        table = new_table(name, rows[name])
        size = rows[name] * dtype.itemsize
        raw = np.frombuffer(body, np.uint8, size, at)
        table.view(np.ndarray).view(np.uint8).reshape(-1)[:] = raw
        tables[name] = table
        at += size
    return tables
