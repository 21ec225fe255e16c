"""Chrome's trace format, which Perfetto's UI and chrome://tracing open."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import orjson

from vms.eventlog.describe import Event, described
from vms.eventlog.log import EventLog

if TYPE_CHECKING:
    import numpy as np

    from vms.engine.machine import Machine

PCPUS, VCPUS, HOST = 1, 2, 3
"""Processes of the trace: one track per pCPU, one per vCPU, one for what belongs to neither."""
PROCESSES = {PCPUS: "pCPUs", VCPUS: "vCPUs", HOST: "Host"}
_IN_PLACE = frozenset({"t", "kind", "pcpu", "vcpu", "ticks"})


class ChromeTrace(EventLog):
    """A JSON array of events, times in µs of simulated time.

    Source: Trace Event Format, https://perfetto.dev/docs/getting-started/other-formats
    """

    def __init__(self, file: IO[bytes], machine: Machine) -> None:
        super().__init__(file, machine)
        self.tick_us = machine.scenario.tick_us
        self.names: list[str] = []
        self.rows: dict[str, int] = {}
        names = [_name("process_name", process, 0, name) for process, name in PROCESSES.items()]
        names += [
            _name("thread_name", PCPUS, row, f"pCPU {row}")
            for row in range(len(machine.state.pcpu))
        ]
        names.append(_name("thread_name", HOST, 0, "host"))
        self.file.write(b"[\n" + b",\n".join(orjson.dumps(name) for name in names))
        self._name_vcpus(machine)

    def write(self, machine: Machine, rows: np.ndarray) -> None:
        """Append drained events."""
        self._name_vcpus(machine)
        self._append([self._entry(event) for event in described(machine, rows)])

    def _append(self, entries: list[Event]) -> None:
        self.file.write(b"".join(b",\n" + orjson.dumps(entry) for entry in entries))

    def _name_vcpus(self, machine: Machine) -> None:
        """Name the tracks of vCPUs that are new: VMs may be added while a machine runs."""
        if machine.vcpu_names == self.names:
            return
        self.names = list(machine.vcpu_names)
        new = [name for name in self.names if name not in self.rows]
        first = len(self.rows)
        self.rows.update((name, first + at) for at, name in enumerate(new))
        self._append([_name("thread_name", VCPUS, self.rows[name], name) for name in new])

    def _entry(self, event: Event) -> Event:
        process, track, label = self._placed(event)
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
        entry["args"] = {key: value for key, value in event.items() if key not in _IN_PLACE}
        return entry

    def _placed(self, event: Event) -> tuple[int, int, str]:
        """Return where an event is shown (process, track) and under which label."""
        if event["kind"] == "slice":
            return PCPUS, event["pcpu"], event["vcpu"]
        if "vcpu" in event:
            return VCPUS, self.rows[event["vcpu"]], event["kind"]
        return HOST, 0, event["kind"]

    def end(self) -> None:
        """Close the array."""
        self.file.write(b"\n]\n")


def _name(what: str, process: int, track: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": process, "tid": track, "args": {"name": name}}
