"""Event logs: what `machine.drain()` returns, as lines of JSON or as a trace for Perfetto's UI.

The suffix of the file decides: `.jsonl` one JSON object a line; `.json` Chrome's trace format;
`.perfetto-trace` Perfetto's own.  Memory stays constant whatever the length of the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from vms.engine.errors import EngineError
from vms.engine.tables import (
    CONTAINER,
    EVENTS,
    EXIT_FAULT,
    EXIT_TIMER,
    EXITS,
    SLICE_ENDS,
    SLICE_USED_UP,
)

if TYPE_CHECKING:
    from vms.engine.machine import Machine

Event = dict[str, Any]
_OF_A_VM = frozenset({"start", "pause", "resume", "stop"})
_OF_A_FRAME = frozenset({"evict", "writeback"})


def described(machine: Machine, rows: np.ndarray) -> Iterator[Event]:
    """Yield drained events as objects with names for rows: `{"t": 0, "kind": "slice", …}`.

    VM exits that another event implies (of a fault, of the timer) follow that event.
    """
    columns = (rows[name].tolist() for name in ("tick", "kind", "vcpu", "pcpu", "a", "b"))
    exits = _exiting(machine)
    for tick, kind, vcpu, pcpu, a, b in zip(*columns, strict=True):
        name = EVENTS[kind]
        event: Event = {"t": tick, "kind": name}
        if name == "slice":
            event["pcpu"] = pcpu
        if vcpu >= 0 and name not in _OF_A_FRAME:
            event["vcpu"] = machine.vcpu_names[vcpu]
        event.update(_details(machine, name, a, b))
        yield event
        if name in _IMPLYING and vcpu in exits:
            yield from _implied_exit(event)


_IMPLYING = frozenset({"fault", "cow", "slice"})


def _exiting(machine: Machine) -> set[int]:
    """The vCPUs that trap into a hypervisor: all but those of containers."""
    kinds = machine.state.vm["kind"][machine.state.vcpu["vm"][: len(machine.vcpu_names)]]
    return set(np.flatnonzero(kinds != CONTAINER).tolist())


def _implied_exit(event: Event) -> Iterator[Event]:
    """The exit of a fault or of a slice that was used up: not logged, as it is certain."""
    if event["kind"] == "slice" and event["why"] != SLICE_ENDS[SLICE_USED_UP]:
        return
    timer = event["kind"] == "slice"
    tick = event["t"] + event["ticks"] if timer else event["t"]
    reason = EXITS[EXIT_TIMER] if timer else EXITS[EXIT_FAULT]
    yield {"t": tick, "kind": "exit", "vcpu": event["vcpu"], "reason": reason, "count": 1}


def _details(machine: Machine, kind: str, a: int, b: int) -> Event:
    """What the two numbers of an event mean: see EVENTS in vms.engine.tables."""
    if kind == "slice":
        overhead = {"overhead": b >> 3} if b >> 3 else {}
        return {"ticks": a, **overhead, "why": SLICE_ENDS[b & 7]}
    if kind in _OF_A_FRAME:
        vm = int(machine.state.page_vm[a])
        page = a - int(machine.state.vm[vm].first_page)
        return {"vm": machine.vm_names[vm], "page": page, "frame": b}
    if kind in _OF_A_VM:
        return {"vm": machine.vm_names[a]}
    if kind == "io":
        return _io(machine, a, b)
    if kind == "fault":
        return {"page": a, "fault": "major" if b else "minor"}
    details: dict[str, Event] = {
        "cow": {"page": a, "frame": b},
        "exit": {"reason": EXITS[a] if kind == "exit" else "", "count": b},
        "violation": {"page": a},
        "oom": {"page": a},
        "command": {"sequence": a},
    }
    return details.get(kind, {})


def _io(machine: Machine, vdevice: int, latency_ns: int) -> Event:
    if vdevice < 0:
        return {"device": "(swap)", "us": latency_ns / 1_000}
    vm = int(machine.state.vdevice[vdevice].vm)
    return {
        "vm": machine.vm_names[vm],
        "device": machine.vdevice_names[vdevice],
        "us": latency_ns / 1_000,
    }


class EventLog(Protocol):
    """A file that takes events as they are drained."""

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""

    def close(self) -> None:
        """Finish the file."""


def open_log(path: Path, machine: Machine) -> EventLog:
    """Return a log that writes to `path` (replaced if there), of the kind its suffix says.

    Raises EngineError for another suffix or a file that cannot be written.
    """
    check_name(path)
    try:
        file = path.open("wb")
    except OSError as error:
        raise EngineError(
            "{name} cannot be written: {reason}", name=path.name, reason=error.strerror or "?"
        ) from None
    return LOGS[path.suffix](file, machine)


def check_name(path: Path) -> None:
    """Refuse a suffix that names no format."""
    if path.suffix not in LOGS:
        raise EngineError(
            "--events must end in {allowed}, got {given}", allowed=", ".join(LOGS), given=path.name
        )


class JsonLines:
    """One JSON object a line."""

    def __init__(self, file: IO[bytes], machine: Machine) -> None:
        self.file = file

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""
        lines = (json.dumps(event, separators=(",", ":")) for event in described(machine, rows))
        self.file.write("".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        """Finish the file."""
        self.file.close()


PCPUS, VCPUS, HOST = 1, 2, 3
"""Processes of a trace: one track per pCPU, one per vCPU, one for what belongs to neither."""


def placed(machine: Machine, event: Event) -> tuple[int, int, str]:
    """Return where a trace shows an event (process, track) and under which label."""
    if event["kind"] == "slice":
        return PCPUS, event["pcpu"], event["vcpu"]
    if "vcpu" in event:
        return VCPUS, machine.vcpu_names.index(event["vcpu"]), event["kind"]
    return HOST, 0, event["kind"]


def tracks(machine: Machine) -> Iterator[tuple[int, int, str]]:
    """Yield every track of a trace: process, track, name."""
    for row in range(len(machine.state.pcpu)):
        yield PCPUS, row, f"pCPU {row}"
    for row, name in enumerate(machine.vcpu_names):
        yield VCPUS, row, name
    yield HOST, 0, "host"


PROCESSES = {PCPUS: "pCPUs", VCPUS: "vCPUs", HOST: "Host"}


class ChromeTrace:
    """Chrome's trace format: a JSON array of events, times in µs of simulated time.

    Source: Trace Event Format, https://perfetto.dev/docs/getting-started/other-formats
    """

    def __init__(self, file: IO[bytes], machine: Machine) -> None:
        self.file = file
        self.tick_us = machine.scenario.tick_us
        self.file.write(b"[\n")
        names: list[Event] = [
            {"ph": "M", "name": "process_name", "pid": process, "args": {"name": name}}
            for process, name in PROCESSES.items()
        ]
        names += [
            {"ph": "M", "name": "thread_name", "pid": process, "tid": track, "args": {"name": name}}
            for process, track, name in tracks(machine)
        ]
        self.file.write(b",\n".join(json.dumps(name).encode() for name in names))

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""
        for event in described(machine, rows):
            self.file.write(b",\n" + json.dumps(self._entry(machine, event)).encode())

    def _entry(self, machine: Machine, event: Event) -> Event:
        process, track, label = placed(machine, event)
        entry: Event = {
            "name": label,
            "pid": process,
            "tid": track,
            "ts": event["t"] * self.tick_us,
        }
        if event["kind"] == "slice":
            entry |= {"ph": "X", "dur": event["ticks"] * self.tick_us}
        else:
            entry |= {"ph": "i", "s": "t"}
        known = ("t", "kind", "pcpu", "vcpu", "ticks")
        entry["args"] = {key: value for key, value in event.items() if key not in known}
        return entry

    def close(self) -> None:
        """Finish the file."""
        self.file.write(b"\n]\n")
        self.file.close()


class PerfettoTrace:
    """Perfetto's protobuf format, times in ns of simulated time.

    Source: TrackEvent and TrackDescriptor, https://perfetto.dev/docs/reference/synthetic-track-event
    """

    SEQUENCE = 1

    def __init__(self, file: IO[bytes], machine: Machine) -> None:
        # Only this format needs the package, which takes a quarter of a second to import.
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2  # noqa: PLC0415

        self.pb: Any = perfetto_trace_pb2
        self.file = file
        self.tick_ns = machine.scenario.tick_ns
        for process, name in PROCESSES.items():
            descriptor = self.pb.TrackDescriptor(uuid=process, name=name)
            self._packet(track_descriptor=descriptor)
        for process, track, name in tracks(machine):
            uuid = self._uuid(process, track)
            descriptor = self.pb.TrackDescriptor(uuid=uuid, parent_uuid=process, name=name)
            self._packet(track_descriptor=descriptor)

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""
        for event in described(machine, rows):
            process, track, label = placed(machine, event)
            uuid, start = self._uuid(process, track), event["t"] * self.tick_ns
            if event["kind"] != "slice":
                self._event(start, uuid, "TYPE_INSTANT", label, event)
                continue
            self._event(start, uuid, "TYPE_SLICE_BEGIN", label, event)
            end = start + event["ticks"] * self.tick_ns
            self._event(end, uuid, "TYPE_SLICE_END")

    def _uuid(self, process: int, track: int) -> int:
        return process << 32 | track + 1

    def _event(
        self, at_ns: int, uuid: int, kind: str, label: str = "", event: Event | None = None
    ) -> None:
        entry = self.pb.TrackEvent(type=getattr(self.pb.TrackEvent, kind), track_uuid=uuid)
        if label:
            entry.name = label
        for key, value in (event or {}).items():
            if key not in ("t", "kind", "pcpu", "vcpu", "ticks"):
                note = entry.debug_annotations.add(name=key)
                if isinstance(value, str):
                    note.string_value = value
                else:
                    note.double_value = value
        self._packet(timestamp=at_ns, track_event=entry)

    def _packet(self, **fields: Any) -> None:
        """Write one packet: a trace is the concatenation of traces."""
        packet = self.pb.TracePacket(trusted_packet_sequence_id=self.SEQUENCE, **fields)
        self.file.write(self.pb.Trace(packet=[packet]).SerializeToString())

    def close(self) -> None:
        """Finish the file."""
        self.file.close()


LOGS: dict[str, Callable[[IO[bytes], Machine], EventLog]] = {
    ".jsonl": JsonLines,
    ".json": ChromeTrace,
    ".perfetto-trace": PerfettoTrace,
}
