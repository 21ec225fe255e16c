"""Perfetto's own format: a track per pCPU, vCPU and device, flows of I/O, counters.

Source: TrackEvent, TrackDescriptor and CounterDescriptor of
https://perfetto.dev/docs/reference/synthetic-track-event
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from vms.eventlog.describe import Event, described
from vms.eventlog.log import EventLog
from vms.eventlog.tracks import Tracks

if TYPE_CHECKING:
    import numpy as np

    from vms.engine.machine import Machine

SEQUENCE = 1
BATCH = 2_000
"""Packets that are written at once: what is kept in memory."""
WAITS = frozenset({"io", "fault"})
"""Why a slice ends before requests: their arrows begin there."""
_IN_PLACE = frozenset({"t", "kind", "pcpu", "vcpu", "ticks"})


class PerfettoTrace(EventLog):
    """Times are nanoseconds of simulated time.

    A request is followed by arrows: from the slice that ended for it to its submission, to the
    device that serves it, to its completion, and, from the last one a vCPU waits for, to the
    slice in which that goes on, or to the next request where that follows at once.
    """

    def __init__(self, file: IO[bytes], machine: Machine) -> None:
        super().__init__(file, machine)
        # Only this format needs the package, which takes a quarter of a second to import.
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2  # noqa: PLC0415

        self.pb: Any = perfetto_trace_pb2
        self.kinds: Any = self.pb.TrackEvent
        self.packets: Any = self.pb.Trace()
        self.tick_ns = machine.scenario.tick_ns
        self.sample_at = machine.now
        self.tracks = Tracks(self, machine)
        self.flows = 0
        self.left: dict[str, int] = {}  # vCPU → arrow from the slice that ended for requests
        self.woken: dict[str, tuple[int, int]] = {}  # vCPU → arrow from its last completion, when

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""
        self.tracks.name_vcpus(machine)
        for event in described(machine, rows):
            kind = event["kind"]
            if kind == "slice":
                self._slice(event)
            elif kind == "io":
                self._request(machine, event)
            else:
                at_ns = event["t"] * self.tick_ns
                vcpu = event.get("vcpu")
                track = self.tracks.vcpus[vcpu] if vcpu else self.tracks.host
                self._instant(at_ns, track, kind, event)

    def _slice(self, event: Event) -> None:
        start, track = event["t"] * self.tick_ns, self.tracks.pcpus[event["pcpu"]]
        vcpu = event["vcpu"]
        begun = self.event(start, track, self.kinds.TYPE_SLICE_BEGIN, vcpu, event)
        if vcpu in self.woken:
            begun.terminating_flow_ids.append(self.woken.pop(vcpu)[0])
        self.left.pop(vcpu, None)
        if event["why"] in WAITS:
            self.left[vcpu] = self._flow()
            begun.flow_ids.append(self.left[vcpu])
        self.event(start + event["ticks"] * self.tick_ns, track, self.kinds.TYPE_SLICE_END)

    def _request(self, machine: Machine, event: Event) -> None:
        """Show a request that is complete: its submission, its time at the device, its end."""
        end = event["t"] * self.tick_ns
        start = max(0, end - round(event["us"] * 1_000))
        device, flow, vcpu = self.tracks.device_of(machine, event), self._flow(), event.get("vcpu")
        if vcpu:
            submitted = self._instant(start, self.tracks.vcpus[vcpu], "submit")
            submitted.flow_ids.append(flow)
            cause = self._cause(vcpu, start)
            if cause:
                submitted.terminating_flow_ids.append(cause)
        lane = self.tracks.lane(device, start, end)
        label = f"{event['vm']}/{event['device']}" if "vm" in event else event["device"]
        if lane is None:
            served = self._instant(end, self.tracks.crowd(device), label, event)
            served.flow_ids.append(flow)
        else:
            served = self.event(start, lane, self.kinds.TYPE_SLICE_BEGIN, label, event)
            served.flow_ids.append(flow)
            self.event(end, lane, self.kinds.TYPE_SLICE_END)
        if vcpu:
            done = self._instant(end, self.tracks.vcpus[vcpu], "io", event)
            done.terminating_flow_ids.append(flow)
            self.woken[vcpu] = self._flow(), end
            done.flow_ids.append(self.flows)

    def _cause(self, vcpu: str, at_ns: int) -> int | None:
        """Return the arrow to a submission: from a slice, or from a request that ended before.

        The first of requests that are submitted together has it.
        """
        if vcpu in self.left:
            return self.left.pop(vcpu)
        if vcpu in self.woken and self.woken[vcpu][1] <= at_ns:
            return self.woken.pop(vcpu)[0]
        return None

    def sample(self, machine: Machine) -> None:
        """Append what the counters say now."""
        at_ns = machine.now * self.tick_ns
        for track, value in self.tracks.counters(machine):
            entry = self.event(at_ns, track, self.kinds.TYPE_COUNTER)
            entry.counter_value = value

    def _flow(self) -> int:
        self.flows += 1
        return self.flows

    def _instant(self, at_ns: int, track: int, label: str, event: Event | None = None) -> Any:
        return self.event(at_ns, track, self.kinds.TYPE_INSTANT, label, event)

    def event(
        self, at_ns: int, track: int, kind: int, label: str = "", event: Event | None = None
    ) -> Any:
        """Append a TrackEvent and return it, to be added to before the next one."""
        packet = self.packet()
        packet.timestamp = at_ns
        entry = packet.track_event
        entry.type, entry.track_uuid = kind, track
        if label:
            entry.name = label
        for key, value in (event or {}).items():
            if key not in _IN_PLACE:
                note = entry.debug_annotations.add(name=key)
                if isinstance(value, str):
                    note.string_value = value
                elif isinstance(value, int):
                    note.int_value = value
                else:
                    note.double_value = value
        return entry

    def packet(self) -> Any:
        """Return a new packet at the end of the trace."""
        if len(self.packets.packet) >= BATCH:
            self._flush()
        return self.packets.packet.add(trusted_packet_sequence_id=SEQUENCE)

    def _flush(self) -> None:
        """Write what is kept: a trace is the concatenation of traces.

        A message gives its memory back when it goes, not when it is cleared.
        """
        self.file.write(self.packets.SerializeToString())
        self.packets = self.pb.Trace()

    def end(self) -> None:
        """Write what is left."""
        self._flush()
