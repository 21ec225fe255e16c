"""Traces of disks: when each request was made, what it was, how large and where.

Read are vscsi traces of VMware (both versions), libCacheSim's oracleGeneral, and CSV with headings.
Times count from the first request on; a block is the KiB of the disk at which a request begins.
Sources: libCacheSim's readers of vscsi and oracleGeneral; its guide to CSV.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.errors import EngineError, shown
from vms.engine.tables import LAYOUT, READ, WRITE
from vms.engine.workloads.formats import RECORD, records_of, refuse_size
from vms.engine.workloads.traces import Files

if TYPE_CHECKING:
    from vms.engine.scenario.workload import Replay

Calls = np.ndarray[Any, Any]
"""Rows of table `call`."""
SECOND = 1_000_000_000
_V1 = (("sn", "<u4"), ("len", "<u4"), ("nsg", "<u4"), ("cmd", "<u2"), ("ver", "<u2"))
_V2 = (("cmd", "<u2"), ("ver", "<u2"), ("sn", "<u4"), ("len", "<u4"), ("nsg", "<u4"))
VSCSI_1: np.dtype[Any] = np.dtype([*_V1, ("lbn", "<u8"), ("ts", "<u8")])
VSCSI_2: np.dtype[Any] = np.dtype([*_V2, ("lbn", "<u8"), ("ts", "<u8"), ("rt", "<u8")])
SCSI_READS, SCSI_WRITES = (0x08, 0x28, 0x88, 0xA8), (0x0A, 0x2A, 0x8A, 0xAA)
"""Commands of SCSI of 6, 10, 16 and 12 bytes; others (flushes, inquiries) move no data."""
SECTOR, OBJECT_KIB = 512, 4
LARGEST_KIB = 1_048_576
COLUMNS = {
    "time": ("time", "timestamp", "ts", "real_time", "clock_time"),
    "op": ("op", "opcode", "operation", "type", "rw"),
    "size": ("size", "obj_size", "length", "len", "bytes"),
    "lbn": ("lbn", "block", "sector", "lba"),
    "offset": ("offset",),
    "obj_id": ("obj_id", "objid", "object", "id", "key"),
}
"""What a CSV file may have, and under which headings: seconds, r or w …, bytes, and sectors of 512
bytes, or bytes, or objects of 4 KiB."""
READS, WRITES = ("r", "read", "get", "0"), ("w", "write", "set", "put", "1")


def requests_of(step: Replay, files: Files | None, path: str) -> Calls:
    """Return the requests of a replay step, rows of `call`, by time.

    Raises EngineError where the file is missing or malformed.
    """
    try:
        content = files(step.file) if files else None
    except (OSError, KeyError):
        content = None
    if content is None:
        raise EngineError(
            "{field} must name a disk trace that is there, got {given}",
            f"{path}.file",
            given=step.file,
        )
    try:
        found = read(step.file, content)
    except EngineError as error:
        raise EngineError(error.template, f"{path}.file", **error.values) from None
    found = found[: step.requests].copy()
    found["at_ns"] = found["at_ns"] * 100 // step.speed_percent
    return found


def read(name: str, content: bytes) -> Calls:
    """Return the requests of a file, whose content tells its format: rows of `call`, by time."""
    refuse_size(name, content)
    version = vscsi_version(content)
    if version is not None:
        found = _vscsi(records_of(name, content, version))
    elif b"\0" in content[:4096]:
        found = _oracle(name, content)
    else:
        found = _csv(name, content)
    if not len(found):
        raise EngineError("trace {name} must have at least one request, got none", name=name)
    found = found[np.argsort(found["at_ns"], kind="stable")]
    found["at_ns"] -= found["at_ns"][0]
    return found


def vscsi_version(content: bytes) -> np.dtype | None:
    """Return the records a vscsi trace is made of, None where it is none: two say their version."""
    for version, dtype in ((2, VSCSI_2), (1, VSCSI_1)):
        if len(content) >= 2 * dtype.itemsize:
            first = np.frombuffer(content, dtype, 2)
            if np.all(first["ver"] >> 8 == version) and np.all(first["len"] < 1 << 31):
                return dtype
    return None


def rows(times: Any, sizes: Any, ops: Any, blocks: Any) -> Calls:
    """Return rows of `call`: ns, bytes, READ or WRITE, KiB of the disk."""
    found = np.zeros(len(times), LAYOUT["call"])
    found["at_ns"] = times
    found["kib"] = np.clip(-(-np.asarray(sizes, np.int64) // 1024), 1, LARGEST_KIB)
    found["op"] = ops
    found["block"] = blocks
    return found.view(np.recarray)


def _vscsi(records: np.ndarray) -> Calls:
    moves = np.isin(records["cmd"], SCSI_READS + SCSI_WRITES)
    records = records[moves]
    ops = np.where(np.isin(records["cmd"], SCSI_WRITES), WRITE, READ)
    blocks = (records["lbn"] & (1 << 50) - 1).astype(np.int64) * SECTOR // 1024
    times = (records["ts"] - records["ts"].min()) if len(records) else records["ts"]
    return rows(times.astype(np.int64) * 1000, records["len"], ops, blocks)


def _oracle(name: str, content: bytes) -> Calls:
    records = records_of(name, content, RECORD)
    blocks = (records["id"] & (1 << 50) - 1).astype(np.int64) * OBJECT_KIB
    return rows(records["time"].astype(np.int64) * SECOND, records["size"], READ, blocks)


def _csv(name: str, content: bytes) -> Calls:
    lines = list(csv.reader(content.decode("utf-8", "replace").splitlines()))
    head = [cell.strip().lower().replace("-", "_").lstrip("#") for cell in (lines or [[]])[0]]
    place = {
        what: next(head.index(word) for word in words if word in head)
        for what, words in COLUMNS.items()
        if any(word in head for word in words)
    }
    where = next((what for what in ("lbn", "offset", "obj_id") if what in place), None)
    if "time" not in place or "size" not in place or where is None:
        raise EngineError(
            "trace {name}, line {line}: must have columns {allowed}, got {given}",
            name=name,
            line=1,
            allowed="time, size, lbn (op)",
            given=shown(", ".join(lines[0]) if lines else ""),
        )
    table = [_row(name, n, row, place, where) for n, row in enumerate(lines[1:], 2) if row]
    columns = list(zip(*table, strict=True)) or [(), (), (), ()]
    return rows(*columns)


def _row(
    name: str, line: int, row: list[str], place: dict[str, int], where: str
) -> tuple[int, int, int, int]:
    """Return time in ns, bytes, op and block of one line."""
    try:
        at = round(float(row[place["time"]]) * SECOND)
        size, block = int(row[place["size"]]), int(row[place[where]])
        op = row[place["op"]].strip().lower() if "op" in place else "r"
        if not (0 <= at < 1 << 60 and 0 <= size < 1 << 40 and 0 <= block < 1 << 50):
            raise ValueError
        if op not in READS + WRITES:
            raise ValueError
    except (ValueError, IndexError, OverflowError):
        raise EngineError(
            "trace {name}, line {line}: must be seconds, bytes and a block, and an operation r or"
            " w, got {given}",
            name=name,
            line=line,
            given=shown(",".join(row)[:100]),
        ) from None
    unit = {"lbn": SECTOR, "offset": 1, "obj_id": OBJECT_KIB * 1024}[where]
    return at, size, WRITE if op in WRITES else READ, block * unit // 1024
