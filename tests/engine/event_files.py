"""Event files read back into the events they say, each by a reader that is not ours."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from vms import eventlog
from vms.eventlog.columns import COLUMNS

Event = dict[str, Any]
TRACE_ONLY = {"submit"}
"""Points of a trace that are no events of their own."""


class Kept(io.BytesIO):
    """A file whose bytes can be had after it was closed."""

    content = b""

    def close(self) -> None:
        if not self.closed:
            self.content = self.getvalue()
        super().close()


def written(
    machine: Any,
    ticks: int,
    chunks: Callable[[], int] = lambda: 1 << 20,
    at: dict[int, Callable[[Any], None]] | None = None,
) -> dict[str, bytes]:
    """Advance a machine to tick `ticks`, all formats writing; return their files by suffix.

    `at` has commands by the tick before which they are applied.
    """
    from vms.engine.tick import advance

    files = {suffix: Kept() for suffix in eventlog.LOGS}
    logs = [eventlog.begin(suffix, file, machine) for suffix, file in files.items()]
    asked = dict(sorted((at or {}).items()))
    while True:
        if machine.now in asked and not machine.in_tick:
            asked.pop(machine.now)(machine)
        rows = machine.drain()
        for log in logs:
            log.take(machine, rows)
        if machine.now >= ticks or machine.stalled:
            break
        stop = min(ticks, *(log.sample_at for log in logs), *asked)
        advance(machine, min(stop - machine.now, chunks()), past_end=True)
    for log in logs:
        log.close()
    return {suffix: file.content for suffix, file in files.items()}


def of_jsonl(content: bytes) -> list[Event]:
    return [json.loads(line) for line in content.decode().splitlines()]


def of_csv(content: bytes) -> list[Event]:
    lines = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return [{key: COLUMNS[key](cell) for key, cell in line.items() if cell} for line in lines]


def of_parquet(content: bytes) -> list[Event]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(content))
    return [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]


def of_chrome(content: bytes, tick_us: int) -> list[Event]:
    entries = json.loads(content)
    names = {
        (entry["pid"], entry["tid"]): entry["args"]["name"]
        for entry in entries
        if entry["name"] == "thread_name"
    }
    events = []
    for entry in entries:
        if entry["ph"] == "M":
            continue
        event = {"t": entry["ts"] // tick_us, **entry["args"]}
        track = names[entry["pid"], entry["tid"]]
        if entry["ph"] == "X":
            event |= {"kind": "slice", "vcpu": entry["name"], "ticks": entry["dur"] // tick_us}
            event["pcpu"] = int(track.removeprefix("pCPU "))
        else:
            event["kind"] = entry["name"]
            if entry["pid"] == 2:
                event["vcpu"] = track
        events.append(event)
    return events


def of_perfetto(content: bytes, tick_ns: int) -> list[Event]:
    """Return the events; requests that no vCPU waits for are read from the devices' tracks."""
    trace = Trace(content)
    events = []
    for track, begin, end, entry in trace.slices():
        event = {"t": begin // tick_ns, **_notes(entry)}
        group = trace.path(track)[0]
        if group == "pCPUs":
            event |= {"kind": "slice", "vcpu": entry.name, "ticks": (end - begin) // tick_ns}
            event["pcpu"] = int(trace.path(track)[1].removeprefix("pCPU "))
            events.append(event)
        elif entry.flow_ids[0] not in trace.ended:
            events.append(event | {"kind": "io", "t": end // tick_ns})
    for track, at, entry in trace.instants():
        if entry.name in TRACE_ONLY:
            continue
        event = {"t": at // tick_ns, "kind": entry.name, **_notes(entry)}
        group = trace.path(track)[0]
        if group == "Devices":
            if entry.flow_ids[0] in trace.ended:
                continue
            event["kind"] = "io"
        elif group == "vCPUs":
            event["vcpu"] = trace.path(track)[1]
        events.append(event)
    return events


def _notes(entry: Any) -> Event:
    return {note.name: getattr(note, note.WhichOneof("value")) for note in entry.debug_annotations}


class Trace:
    """A Perfetto trace, parsed with the published schema and sorted as its reader sorts it."""

    def __init__(self, content: bytes) -> None:
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

        self.pb: Any = pb
        parsed = pb.Trace()
        parsed.ParseFromString(content)
        self.tracks: dict[int, Any] = {}
        self.events: list[Any] = []
        for packet in parsed.packet:
            if packet.HasField("track_descriptor"):
                assert packet.track_descriptor.uuid not in self.tracks, "described once"
                self.tracks[packet.track_descriptor.uuid] = packet.track_descriptor
            else:
                assert packet.track_event.track_uuid in self.tracks, "described before it is used"
                self.events.append(packet)
        self.events.sort(key=lambda packet: packet.timestamp)  # stable, as trace_processor's
        self.ended = {
            flow for packet in self.events for flow in packet.track_event.terminating_flow_ids
        }

    def path(self, uuid: int) -> list[str]:
        """Return the names of a track's groups and its own."""
        track = self.tracks[uuid]
        above = self.path(track.parent_uuid) if track.parent_uuid else []
        return [*above, track.name]

    def slices(self) -> list[tuple[int, int, int, Any]]:
        """Return (track, begin, end, event) of every slice; none may nest or stay open."""
        opened: dict[int, Any] = {}
        found = []
        for packet in self.events:
            event = packet.track_event
            if event.type == event.TYPE_SLICE_BEGIN:
                assert event.track_uuid not in opened, f"nested: {self.path(event.track_uuid)}"
                opened[event.track_uuid] = packet
            elif event.type == event.TYPE_SLICE_END:
                begun = opened.pop(event.track_uuid)
                times = begun.timestamp, packet.timestamp
                found.append((event.track_uuid, *times, begun.track_event))
        assert not opened
        return found

    def instants(self) -> list[tuple[int, int, Any]]:
        """Return (track, time, event) of every point."""
        return [
            (packet.track_event.track_uuid, packet.timestamp, packet.track_event)
            for packet in self.events
            if packet.track_event.type == packet.track_event.TYPE_INSTANT
        ]

    def arrows(self) -> list[tuple[Any, Any]]:
        """Return the pairs of packets that flows connect, as trace_processor steps through them."""
        last: dict[int, Any] = {}
        found = []
        for packet in self.events:
            event = packet.track_event
            found += [(last.pop(flow), packet) for flow in event.terminating_flow_ids]
            for flow in event.flow_ids:
                if flow in last:
                    found.append((last[flow], packet))
                last[flow] = packet
        return found

    def counters(self) -> dict[str, list[tuple[int, int]]]:
        """Return (time, value) of every counter by its name."""
        found: dict[str, list[tuple[int, int]]] = {}
        for packet in self.events:
            event = packet.track_event
            if event.type == event.TYPE_COUNTER:
                name = self.path(event.track_uuid)[-1]
                found.setdefault(name, []).append((packet.timestamp, event.counter_value))
        return found
