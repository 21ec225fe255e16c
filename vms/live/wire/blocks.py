"""The format of a sample: blocks of typed columns, each aligned to 8 bytes.

A block is a header of 16 bytes (table, what to do, rows, size of what follows, entries per row of
its wide columns) and its columns, one after the other, each padded to 8 bytes, so that a browser
reads them in place as typed arrays. Table 0 is a JSON document; what the other numbers mean is
told by the schema, which every snapshot begins with: the browser knows no layout by itself.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from vms.engine.tables import EXITS, RUN_STATES

Array = NDArray[Any]

BLOCK = struct.Struct("<HBxIII")
ALIGN = 8

REPLACE, UPDATE, APPEND = range(3)
"""The columns replace the table's; are for the rows of an index; come after its rows."""

JSON = 0


@dataclass(frozen=True)
class Column:
    """One column on the wire; `wide` ones hold several entries a row.

    A column that `grows` counts the ticks in one run state. Its entry in a row of that state
    travels as count − now, which stays as it is while the state does: the reader adds the tick
    again.
    """

    name: str
    dtype: str
    wide: bool = False
    grows: int | None = None


_WORD = re.compile(r"(\w+):(\w\d)([*]?)(?:[+](\w+))?")


def _columns(text: str) -> tuple[Column, ...]:
    """Read ``name:dtype`` words; ``*`` marks a wide column, ``+state`` one that grows in it."""
    return tuple(
        Column(name, dtype, bool(wide), RUN_STATES.index(state) if state else None)
        for name, dtype, wide, state in _WORD.findall(text)
    )


# Rows, states and small numbers travel as i4; ticks, counters and nanoseconds as f8, which is what
# a browser counts with, exact up to 2^53.
TABLES: dict[str, tuple[Column, ...]] = {
    "pcpu": _columns(
        "vcpu:i4 last:i4 slice_at:f8 slice_overhead:f8 busy:f8 idle:f8 overhead:f8 "
        "online:i4 pool:i4"
    ),
    "vcpu": _columns(
        "vm:i4 state:i4 pcpu:i4 ended:i4 waits_for:i4 weight:f8 remaining_time:f8 pass:f8 "
        "debt_ns:f8 references:f8 run:f8 overhead:f8 "
        "runnable:f8+runnable blocked:f8+blocked offline:f8+offline "
        "slices:f8 preemptions:f8 migrations:f8 first_run:f8 finish:f8 spun:f8 wasted:f8 slowed:f8"
    ),
    "vm": _columns(
        "power:i4 references:f8 hits:f8 minor_faults:f8 major_faults:f8 cow_breaks:f8 resident:f8 "
        + " ".join(f"exit_{reason}:f8" for reason in EXITS)
    ),
    "device": _columns(
        "queued:f8 in_service:f8 requests:f8 busy_ns:f8 sojourn_ns:f8 turns:f8 dropped:f8 "
        "p50:f4 p90:f4 p99:f4"
    ),
    "vdevice": _columns(
        "mode:i4 requests:f8 kib:f8 latency_ns:f8 in_flight:f8 helds:f8 held_ns:f8 refused:f8 "
        "p50:f4 p90:f4 p99:f4"
    ),
    "queue": _columns("vcpu:i4"),
    "slices": _columns("from:f8 to:f8 vcpu:i4 overhead:u4 busy:u4 merged:u4 pcpu:u2 why:u1"),
    "frames": _columns("value:u4"),
    "events": _columns("tick:f8 a:f8 b:f8 kind:u2 pcpu:i4 vcpu:i4"),
    "history": _columns(
        "tick:f8 share:f4* steal:f4* minor:f4 major:f4 io_p50:f4 io_p99:f4 overhead:f4 idle:f4 "
        "wake_p50:f4 wake_p99:f4 jain:f4 "
        "vm_minor:f4* vm_major:f4* vm_cow:f4* vm_guest:f4*"
    ),
    "pages": _columns("value:u4"),
    "heat": _columns("value:u1"),
}
NUMBER = {name: number for number, name in enumerate(TABLES, start=1)}
NAME = {number: name for name, number in NUMBER.items()}


def schema() -> list[dict[str, Any]]:
    """Return the tables as the browser is told them; columns are [name, dtype, wide, grows]."""
    return [
        {
            "number": NUMBER[name],
            "name": name,
            "columns": [[c.name, c.dtype, c.wide, c.grows] for c in columns],
        }
        for name, columns in TABLES.items()
    ]


@dataclass(frozen=True)
class Block:
    """A block as read: for JSON `document`, else `columns` (and `index` for an UPDATE)."""

    table: str
    what: int
    rows: int
    columns: Mapping[str, Array]
    index: Array | None = None
    document: Any = None


def json_block(document: object) -> bytes:
    """Return `document` as a block."""
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return BLOCK.pack(JSON, REPLACE, len(text), _padded(len(text)), 0) + _pad(text)


def block(table: str, what: int, columns: Mapping[str, Array], index: Array | None = None) -> bytes:
    """Return the columns of `table` as a block; an UPDATE needs `index`, the rows they are for."""
    arrays = [np.ascontiguousarray(columns[c.name], c.dtype) for c in TABLES[table]]
    wide = [array for array, c in zip(arrays, TABLES[table], strict=True) if c.wide]
    parts = [] if index is None else [_pad(np.ascontiguousarray(index, "u4").tobytes())]
    parts += [_pad(array.tobytes()) for array in arrays]
    rows = len(arrays[0])
    width = wide[0].shape[1] if wide else 1
    return BLOCK.pack(NUMBER[table], what, rows, sum(map(len, parts)), width) + b"".join(parts)


def read(body: bytes) -> Iterator[Block]:
    """Yield the blocks of a sample; their columns are views of `body`.

    Raises ValueError where `body` is not made of whole blocks.
    """
    offset = 0
    while offset < len(body):
        if len(body) - offset < BLOCK.size:
            raise ValueError("a sample ends within the header of a block")
        number, what, rows, size, width = BLOCK.unpack_from(body, offset)
        offset += BLOCK.size
        if size > len(body) - offset:
            raise ValueError(f"a block of {size} bytes, but {len(body) - offset} are left")
        if number == JSON:
            yield Block("", what, rows, {}, None, orjson.loads(body[offset : offset + rows]))
        else:
            yield _read_columns(body, offset, NAME[number], what, rows, width)
        offset += size


def _read_columns(body: bytes, offset: int, table: str, what: int, rows: int, width: int) -> Block:
    index = None
    if what == UPDATE:
        index = np.frombuffer(body, "u4", rows, offset)
        offset += _padded(index.nbytes)
    columns: dict[str, Array] = {}
    for column in TABLES[table]:
        entries = rows * (width if column.wide else 1)
        array: Array = np.frombuffer(body, column.dtype, entries, offset)
        offset += _padded(array.nbytes)
        columns[column.name] = array.reshape(rows, width) if column.wide else array
    return Block(table, what, rows, columns, index)


def empty(table: str, width: int = 1) -> dict[str, Array]:
    """Return the columns of `table` with no rows."""
    return {c.name: np.zeros((0, width) if c.wide else 0, c.dtype) for c in TABLES[table]}


def joined(table: str, parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the rows of several column sets of `table`, one after the other."""
    return {c.name: np.concatenate([part[c.name] for part in parts]) for c in TABLES[table]}


def _padded(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGN)
