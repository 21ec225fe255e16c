"""A machine between two chunks → one sample: what differs from the picture, and nothing else.

Runs in the engine's thread. It only reads the picture, which the event loop changes only between
two chunks, by applying what was encoded here.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine.tables import ACCESSED, CLOCK, DIRTY, FRAME, PRESENT, SHARED, WRITABLE
from vms.live.wire import blocks
from vms.live.wire.blocks import APPEND, REPLACE, UPDATE, Array
from vms.live.wire.charts import Charts
from vms.live.wire.latency import PERCENTS, Latencies, histograms_of
from vms.live.wire.log import EventLog
from vms.live.wire.picture import Picture
from vms.live.wire.slices import BUDGET, Slices, exact_since, slices_of, thinned

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

COMPRESS_ABOVE = 64 * 1024
"""Bytes: a larger sample is compressed, once for all viewers, at zlib's fastest level."""

COLUMN_TABLES = ("pcpu", "vcpu", "vm", "device", "vdevice")
ROWS = {
    name: np.dtype([(column.name, column.dtype) for column in blocks.TABLES[name]])
    for name in COLUMN_TABLES
}
"""Their rows with the columns side by side, as they are compared."""
FRAME_FLAGS = ((ACCESSED, 1 << 16), (DIRTY, 2 << 16), (SHARED, 4 << 16), (WRITABLE, 8 << 16))


@dataclass(frozen=True)
class Sample:
    """One change of a picture; `wire` is what travels, compressed or not."""

    body: bytes
    wire: bytes
    compressed: bool

    @classmethod
    def of(cls, parts: list[bytes]) -> Sample:
        """Return the blocks as a sample, compressed where that is worth it."""
        body = b"".join(parts)
        large = len(body) > COMPRESS_ABOVE
        return cls(body, zlib.compress(body, 1) if large else body, large)


class Encoder:
    """Gathers what a machine logs between two samples, and makes them."""

    def __init__(self, machine: Machine, picture: Picture) -> None:
        self.machine = machine
        self.picture = picture
        self.events_lost = 0
        self.slices_from = float(machine.now)
        self._slices: list[Slices] = []
        self._log = EventLog()
        self._charts = Charts(machine)
        self._points: list[dict[str, Array]] = []
        self._latencies = {name: Latencies() for name in ("device", "vdevice")}

    def collect(self, events: Array) -> None:
        """Take the events of one chunk, as `machine.drain()` returned them."""
        if not len(events):
            return
        events = events.view(np.ndarray)  # a recarray is slow to index
        self._log.add(events)
        self._charts.add(events)
        self._slices.append(slices_of(events))
        if sum(len(part["from"]) for part in self._slices) > 8 * BUDGET:
            self._slices = [self._thinned()]

    def mark(self) -> None:
        """Add a point to the charts between two samples."""
        point = self._charts.take(self.machine)
        if point is not None:
            self._points.append(point)

    def sample(
        self, documents: dict[str, Any], journal: list[dict[str, Any]] | None = None
    ) -> Sample | None:
        """Return the sample that brings the picture up to date, None where nothing changed.

        `documents` (state, meta, laws, people …) are sent where they differ from the picture's;
        `state` is completed here; `journal` rows are added to the picture's. Each sample says `at`
        what time (Unix) it was made.
        """
        parts = [part for name in COLUMN_TABLES if (part := self._table(name))]
        parts += [part for part in (self._queue(), self._frames(), *self._logged()) if part]
        document = self._document(documents, journal or [])
        if not parts and not document:
            return None
        return Sample.of([blocks.json_block({**document, "at": time.time()}), *parts])

    def told(
        self, documents: dict[str, Any], journal: list[dict[str, Any]] | None = None
    ) -> Sample | None:
        """Return a sample of documents and journal alone, without a look at the machine."""
        document = self._document(documents, journal or [])
        if not document:
            return None
        return Sample.of([blocks.json_block({**document, "at": time.time()})])

    def _document(self, documents: dict[str, Any], journal: list[dict[str, Any]]) -> dict[str, Any]:
        if "state" in documents:
            own = {"slices_from": self.slices_from, "events_lost": self.events_lost}
            documents = {**documents, "state": {**documents["state"], **own}}
        known = self.picture.documents
        changed = {name: value for name, value in documents.items() if known.get(name) != value}
        document: dict[str, Any] = {"set": changed} if changed else {}
        if journal:
            document["add"] = {"journal": journal}
        return document

    def _table(self, name: str) -> bytes | None:
        """Return what changed of a small table: all rows, or the few that changed."""
        rows = len(getattr(self.machine, f"{name}_names", self.machine.state.pcpu))
        source = getattr(self.machine.state, name).view(np.ndarray)[:rows]
        new = self._rows(name, source)
        old = self.picture.tables[name]
        if len(next(iter(old.values()))) != rows:
            return blocks.block(name, REPLACE, _columns(new))
        known = np.empty(rows, ROWS[name])
        for column in known.dtype.names or ():
            known[column] = old[column]
        shape = rows, known.dtype.itemsize
        differs = new.view("u1").reshape(shape) != known.view("u1").reshape(shape)
        changed = np.flatnonzero(differs.any(axis=1))
        if not len(changed):
            return None
        if 2 * len(changed) > rows:
            return blocks.block(name, REPLACE, _columns(new))
        return blocks.block(name, UPDATE, _columns(new[changed]), changed)

    def _rows(self, name: str, source: Array) -> Array:
        """Return the rows of a table as they travel, side by side: copied without Python."""
        rows = np.empty(len(source), ROWS[name])
        if name in self._latencies:
            histograms = histograms_of(self.machine, name)
            for key, values in (
                self._latencies[name].columns(histograms, source["requests"]).items()
            ):
                rows[key] = values
        for column in blocks.TABLES[name]:
            if column.name in PERCENTS:
                continue
            rows[column.name] = source["pass_" if column.name == "pass" else column.name]
            if column.grows is not None:
                rows[column.name][source["state"] == column.grows] -= self.machine.now
        return rows

    def _queue(self) -> bytes | None:
        queue = np.array(self.machine.queue(), "i4")
        if np.array_equal(queue, self.picture.tables["queue"]["vcpu"]):
            return None
        return blocks.block("queue", REPLACE, {"vcpu": queue})

    def _frames(self) -> bytes | None:
        """Return the frames whose owner or flags changed, or the whole map if they are many."""
        changed = self.machine.changed_frames()
        known = self.picture.tables["frames"]["value"]
        frames = len(self.machine.state.frame)
        if len(known) != frames:
            values = frame_values(self.machine, np.arange(frames))
            return blocks.block("frames", REPLACE, {"value": values})
        if not len(changed):
            return None
        values = frame_values(self.machine, changed)
        differs = values != known[changed]
        changed, values = changed[differs], values[differs]
        if not len(changed):
            return None
        if 2 * len(changed) > frames:
            whole = known.copy()
            whole[changed] = values
            return blocks.block("frames", REPLACE, {"value": whole})
        return blocks.block("frames", UPDATE, {"value": values}, changed)

    def _logged(self) -> list[bytes]:
        parts = []
        events, lost = self._log.take()
        self.events_lost += lost
        if events is not None:
            parts.append(blocks.block("events", APPEND, events))
        if self._slices:
            slices = self._thinned()
            self._slices = []
            self.slices_from = exact_since(slices) or self.slices_from
            if len(slices["from"]):
                parts.append(blocks.block("slices", APPEND, slices))
        self.mark()
        parts += [blocks.block("history", APPEND, point) for point in self._points]
        self._points = []
        return parts

    def _thinned(self) -> Slices:
        return thinned(blocks.joined("slices", self._slices), len(self.machine.state.pcpu))


def _columns(rows: Array) -> dict[str, Array]:
    return {name: rows[name] for name in rows.dtype.names or ()}


class PagesEncoder:
    """The page table of one watched VM: what differs from what was sent last."""

    def __init__(self, vm: int) -> None:
        self.vm = vm
        self.picture = Picture(("pages",))

    def sample(self, machine: Machine) -> Sample | None:
        """Return the entries that changed, None for none."""
        row = machine.state.vm[self.vm]
        first = int(row["first_page"])
        entries = machine.state.pte[first : first + int(row["pages"])].view("u4")
        known = self.picture.tables["pages"]["value"]
        if len(known) != len(entries):
            return Sample.of([blocks.block("pages", REPLACE, {"value": entries})])
        changed = np.flatnonzero(entries != known)
        if not len(changed):
            return None
        if 2 * len(changed) > len(entries):
            return Sample.of([blocks.block("pages", REPLACE, {"value": entries})])
        return Sample.of([blocks.block("pages", UPDATE, {"value": entries[changed]}, changed)])


class HeatEncoder:
    """How recently each frame was referenced: 255 in this tick, 0 for free or long ago."""

    def __init__(self) -> None:
        self.picture = Picture(("heat",))

    def sample(self, machine: Machine) -> Sample | None:
        """Return the whole map of heat, None where it is as before."""
        heat = heat_of(machine)
        if np.array_equal(heat, self.picture.tables["heat"]["value"]):
            return None
        return Sample.of([blocks.block("heat", REPLACE, {"value": heat})])


def frame_values(machine: Machine, frames: Array) -> Array:
    """Return owner (row + 1, 0 = free) and flags of `frames` as the browser has them (u4)."""
    state = machine.state
    page = state.frame["page"][frames]
    used = page >= 0
    page = np.where(used, page, 0)
    entry = state.pte[page]
    # A page that is on its way out no longer points at the frame: owner, but no flags.
    mapped = used & (entry & PRESENT != 0) & (entry & FRAME == frames)
    values = np.where(used, state.frame["vm"][frames] + 1, 0).astype("u4")
    for flag, bit in FRAME_FLAGS:
        values |= np.where(mapped & (entry & flag != 0), bit, 0).astype("u4")
    return values


def heat_of(machine: Machine) -> Array:
    """Return the heat of every frame (u1): halving the age adds 12, 2^21 ticks are cold."""
    frame = machine.state.frame
    age = (machine.now - frame["used"].astype(np.int64)) & CLOCK
    heat = np.maximum(255 - 12 * np.log2(age + 1), 1)
    return np.where(frame["page"] >= 0, heat, 0).astype("u1")
