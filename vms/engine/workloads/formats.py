"""Page traces as other programs write them: valgrind's lackey, libCacheSim's oracleGeneral and CSV.

They name addresses or objects, not pages of a VM: what they name is numbered from 0 in the order
in which it first occurs.  A reader returns (ids int64 [n], writes bool [n]), or raises EngineError
with the line of the first thing that is wrong.
Sources: Valgrind's manual, Lackey, --trace-mem; libCacheSim's guides to its trace formats.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vms.engine.errors import EngineError, shown

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and all there are."""
Found = tuple[NDArray[np.int64], NDArray[np.bool_]]

CHUNK = 1 << 20
MOST_BYTES = 64 * 1024 * 1024
"""Of an uploaded trace."""
PAGE_SHIFT = 12
"""Addresses of lackey are cut into pages of 4 KiB."""
LARGEST = 1 << 16
"""Bytes one access of lackey may touch at the most."""
RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
ID_COLUMNS = ("obj_id", "objid", "object", "id", "key", "lbn", "block", "page", "address")
"""Headings under which a CSV file may have what it references, the first one found counts."""

_ACCESS = re.compile(rb"^(?:I | ([LSM])) +([0-9a-fA-F]{1,16}),([0-9]{1,6})\r?$", re.MULTILINE)
_ASIDE = re.compile(rb"^(?:(?:==|--)[0-9]+(?:==|--).*|\r?)$", re.MULTILINE)
_NUMBER = re.compile(r"\d{1,19}")


def kind_of(content: bytes) -> str:
    """Return which format a file is in: pages, lackey, oracle or csv."""
    head = content[:4096]
    if b"\0" in head and len(content) >= RECORD.itemsize:
        return "oracle"
    first = head.lstrip(b"\r\n").split(b"\n", 1)[0]
    if re.match(rb"==[0-9]+==", first) or _ACCESS.match(first):
        return "lackey"
    return "csv" if b"," in first else "pages"


def lackey(name: str, content: bytes, progress: Progress | None = None) -> Found:
    """Read what `valgrind --tool=lackey --trace-mem=yes` writes; lines of valgrind are passed over.

    An instruction, a load and a store are a reference each to every page they touch; a modify (M)
    is one that writes.
    """
    pages: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    writes: list[NDArray[np.bool_]] = [np.empty(0, np.bool_)]
    line = 1
    for chunk, at in _chunks(content):
        accesses = _ACCESS.findall(chunk)
        lines = chunk.count(b"\n") + (not chunk.endswith(b"\n"))
        asides = len(_ASIDE.findall(chunk)) - chunk.endswith(b"\n")  # the end is an empty line too
        sizes = np.array([int(size) for _, _, size in accesses], np.int64)
        wrong = len(accesses) + asides != lines or np.any((sizes < 1) | (sizes > LARGEST))
        if wrong:
            raise _not_an_access(name, chunk, line)
        first = np.array([int(address, 16) for _, address, _ in accesses], np.uint64)
        last = (first + (sizes - 1).astype(np.uint64)) >> np.uint64(PAGE_SHIFT)
        first >>= np.uint64(PAGE_SHIFT)
        touched = (last - first).astype(np.int64) + 1
        starts = np.repeat(np.cumsum(touched) - touched, touched)
        within = np.arange(int(touched.sum())) - starts
        pages.append(np.repeat(first.astype(np.int64), touched) + within)
        stores = np.array([kind in (b"S", b"M") for kind, _, _ in accesses], np.bool_)
        writes.append(np.repeat(stores, touched))
        line += lines
        if progress:
            progress(at, len(content))
    return np.concatenate(pages), np.concatenate(writes)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield whole lines of about a MiB together, and where they end."""
    at = 0
    while at < len(content):
        end = content.find(b"\n", at + CHUNK) + 1 or len(content)
        yield content[at:end], end
        at = end


def _not_an_access(name: str, chunk: bytes, line: int) -> EngineError:
    for number, text in enumerate(chunk.split(b"\n"), line):
        access = _ACCESS.fullmatch(text)
        if (access and 1 <= int(access[3]) <= LARGEST) or _ASIDE.fullmatch(text):
            continue
        return EngineError(
            "trace {name}, line {line}: must be I, L, S or M, a hexadecimal address, a comma and"
            " 1..{high} bytes, got {given}",
            name=name,
            line=number,
            high=LARGEST,
            given=_text(text),
        )
    raise AssertionError("a chunk with a wrong line has one")


def _text(line: bytes) -> str:
    return shown(line[:100].decode("utf-8", "replace").strip("\r"))


def refuse_size(name: str, content: bytes) -> None:
    """Raise EngineError for a trace that is larger than any may be."""
    if len(content) > MOST_BYTES:
        raise EngineError(
            "trace {name} must have 1..{high} bytes, got {given}",
            name=name,
            high=MOST_BYTES,
            given=len(content),
        )


def records_of(name: str, content: bytes, record: np.dtype[Any]) -> NDArray[Any]:
    """Return the records that a trace consists of; raises EngineError where the last is cut off."""
    if len(content) % record.itemsize:
        raise EngineError(
            "trace {name} must have whole records of {size} bytes, got {given} bytes",
            name=name,
            size=record.itemsize,
            given=len(content),
        )
    return np.frombuffer(content, record)


def oracle(name: str, content: bytes, progress: Progress | None = None) -> Found:
    """Read libCacheSim's oracleGeneral: records of time, object, size and next use; all reads."""
    ids = records_of(name, content, RECORD)["id"].astype(np.int64)
    if progress:
        progress(len(content), len(content))
    return ids, np.zeros(len(ids), np.bool_)


def comma_separated(name: str, content: bytes, progress: Progress | None = None) -> Found:
    """Read libCacheSim's CSV: the column headed obj_id or the like, else the second; all reads.

    Without a heading the columns are time, object and, as libCacheSim likes, size and more.
    """
    numbers: dict[str, int] = {}
    ids: list[int] = []
    column, read, line = 1, 0, 0
    for chunk, at in _chunks(content):
        for row in csv.reader(chunk.decode("utf-8", "replace").splitlines()):
            line += 1
            if line == 1 and not _NUMBER.fullmatch(row[0].strip() if row else ""):
                column = _id_column(name, row)
            elif row:
                if len(row) <= column or not row[column].strip():
                    raise _no_object(name, line, column, row)
                ids.append(numbers.setdefault(row[column].strip(), len(numbers)))
        read = at
        if progress:
            progress(read, len(content))
    found = np.array(ids, np.int64)
    return found, np.zeros(len(found), np.bool_)


def _id_column(name: str, row: list[str]) -> int:
    headings = [cell.strip().lower().replace("-", "_").lstrip("#") for cell in row]
    for heading in ID_COLUMNS:
        if heading in headings:
            return headings.index(heading)
    raise EngineError(
        "trace {name}, line {line}: must have a column {allowed}, got {given}",
        name=name,
        line=1,
        allowed=", ".join(ID_COLUMNS),
        given=shown(", ".join(row)),
    )


def _no_object(name: str, line: int, column: int, row: list[str]) -> EngineError:
    return EngineError(
        "trace {name}, line {line}: must name what is referenced in column {column}, got {given}",
        name=name,
        line=line,
        column=column + 1,
        given=shown(",".join(row)),
    )


def numbered(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ids as numbers from 0 in the order in which they first occur.  O(n log n)."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    dense: NDArray[np.int64] = rank[inverse]
    return dense


READERS: dict[str, Callable[[str, bytes, Progress | None], Found]] = {
    "lackey": lackey,
    "oracle": oracle,
    "csv": comma_separated,
}
