"""Readers of page traces, and the next use of each reference that opt looks up.

A reference is one int32: page << 1 | write.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vms.engine.errors import EngineError, shown
from vms.engine.workloads import formats

References = NDArray[np.int32]
Files = Callable[[str], bytes]

HIGHEST_PAGE = 16_777_215
WRITTEN = 2
"""Bit of a recording's flags: the page was written in that window."""
PREAD, PWRITE = 17, 18
"""System calls of Linux on x86-64."""
KIB = 1_024

_PLAIN = re.compile(rb"(?:[0-9]{1,8}\r?\n)*(?:[0-9]{1,8})?(?:\r?\n)*")


@lru_cache(maxsize=16)
def recorded(name: str) -> References:
    """Return the references of a recording of `vms.engine.workloads.recorded.RECORDED`.

    One reference for each page of each window of 10,000 instructions, in the recording's order;
    a write where the program wrote the page in that window.  Read-only, opened at first use.
    """
    folder = resources.files("vms.engine.workloads.recorded")
    with (folder / f"{name}.npz").open("rb") as file, np.load(file) as arrays:
        pages = arrays["page"].astype(np.int32)
        writes = (arrays["flag"] & WRITTEN) != 0
    references: References = pages << 1 | writes
    references.setflags(write=False)
    return references


class Request(NamedTuple):
    """What a recorded program read from or wrote to a file at an offset."""

    at: int
    """References of the recording made before."""
    op: int
    """0 read, 1 write."""
    first_kib: int
    kib: int
    """Whole KiB that its bytes lie in."""


@lru_cache(maxsize=16)
def requests(name: str) -> tuple[Request, ...]:
    """Return the pread and pwrite calls of a recording that moved any bytes, in order.

    Each comes at its instruction count: after the references of the windows that ended before,
    and of its own window in proportion to the instructions.
    """
    folder = resources.files("vms.engine.workloads.recorded")
    with (folder / f"{name}.npz").open("rb") as file, np.load(file) as arrays:
        if "sys" not in arrays:
            return ()
        calls, ends = arrays["sys"], np.append(0, arrays["icount"].astype(np.int64))
        made = arrays["off"].astype(np.int64)
    calls = calls[np.isin(calls[:, 1], (PREAD, PWRITE)) & (calls[:, -1] > 0)]
    places = np.interp(calls[:, 0], ends, made[: len(ends)]).astype(np.int64)
    return tuple(
        Request(
            at,
            int(call[1] == PWRITE),
            int(call[5]) // KIB,
            -(-(int(call[5]) % KIB + int(call[-1])) // KIB),
        )
        for at, call in zip(places.tolist(), calls, strict=True)
    )


@lru_cache(maxsize=16)
def never_written(name: str) -> NDArray[np.int64]:
    """Return the pages that a recorded program reads and never writes, ascending: its code."""
    references = recorded(name).astype(np.int64)
    pages = np.setdiff1d(references >> 1, references[references & 1 == 1] >> 1)
    pages.setflags(write=False)
    return pages


def exact_distances(name: str) -> NDArray[np.int64] | None:
    """Return how often each LRU stack distance occurred in the recorded program: int64 [pages + 1].

    [0] counts first references.  Of its full reference stream, of which the recording keeps one
    reference for each page of each window; None where that was not recorded.
    """
    folder = resources.files("vms.engine.workloads.recorded")
    with (folder / f"{name}.npz").open("rb") as file, np.load(file) as arrays:
        if "lru_hist_exact" not in arrays:
            return None
        found: NDArray[np.int64] = arrays["lru_hist_exact"].astype(np.int64)
        return found


def listed(pages: tuple[int, ...]) -> References:
    """Return the references of a list in a scenario; a list reads."""
    return np.array(pages, dtype=np.int32) << 1


def uploaded(
    name: str, content: bytes, most: int, progress: formats.Progress | None = None
) -> References:
    """Return the references of an uploaded file, whose content tells its format.

    One page number per line, or what `formats` reads.  Raises EngineError with the line of the
    first thing that is wrong, or for more than `most` references, or more than 64 MiB.
    """
    formats.refuse_size(name, content)
    reader = formats.READERS.get(formats.kind_of(content))
    if not reader:
        return _page_numbers(name, content, most)
    ids, writes = reader(name, content, progress)
    _refuse_length(name, len(ids), most)
    references: References = (formats.numbered(ids) << 1 | writes).astype(np.int32)
    return references


def _page_numbers(name: str, content: bytes, most: int) -> References:
    """Return the references of a list: one page number per line, reads only.

    Empty lines at the end are allowed, line ends of Windows too.
    """
    if not _PLAIN.fullmatch(content):
        raise _wrong_line(name, content)
    pages = np.fromstring(content, dtype=np.int64, sep="\n") if content.strip() else np.empty(0)
    if len(pages) and pages.max() > HIGHEST_PAGE:
        raise _not_a_page(name, int(pages.argmax()) + 1, str(int(pages.max())))
    _refuse_length(name, len(pages), most)
    return pages.astype(np.int32) << 1


def _refuse_length(name: str, given: int, most: int) -> None:
    if not 1 <= given <= most:
        raise EngineError(
            "trace {name} must have 1..{high} references, got {given}",
            name=name,
            high=most,
            given=given,
        )


def _wrong_line(name: str, content: bytes) -> EngineError:
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    wrong = (n for n, line in enumerate(lines, 1) if not re.fullmatch(rb"[0-9]{1,8}", line))
    number = next(wrong)
    return _not_a_page(name, number, lines[number - 1][:100].decode("utf-8", "replace"))


def _not_a_page(name: str, line: int, given: str) -> EngineError:
    return EngineError(
        "trace {name}, line {line}: must be a page number 0..{high}, got {given}",
        name=name,
        line=line,
        high=HIGHEST_PAGE,
        given=given or shown(given),
    )


def next_use(references: References) -> NDArray[np.int32]:
    """Return for each reference how many references later its page is used again (int32, ≥ 1).

    Cyclic: after its last use a page is used again in the next repetition, so the distance
    reaches past the end there (`i + next_use[i] ≥ len`); a page used once has distance len.
    O(n log n).
    """
    n = len(references)
    pages = references >> 1
    order = np.argsort(pages, kind="stable").astype(np.int64)
    if n == 0:
        return np.empty(0, dtype=np.int32)
    starts = np.flatnonzero(np.diff(pages[order], prepend=-1))
    ends = np.append(starts[1:], n) - 1
    following = np.roll(order, -1)
    following[ends] = order[starts] + n
    distance = np.empty(n, dtype=np.int32)
    distance[order] = following - order
    return distance
