"""Stand-ins for what surrounds a run: a clock, the rows, a browser."""

import errno

from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.engine.scenario.limits import LIMITS
from vms.live.audience import Seat, Who
from vms.live.hub import HEADER, Viewer
from vms.live.replay import Recording, machine_at
from vms.live.start import Opened
from vms.live.wire.picture import Picture, Receiver


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def first_steps(**changes):
    """Three programs of lengths 10, 5 and 3 that start again and again."""
    lengths = {"one": 10, "two": 5, "three": 3}
    data = {
        "name": "First steps",
        "host": {"frames": 64, "scheduler": {"policy": "round_robin", "time_slice": 2}},
        "vms": [
            {
                "name": name,
                "pages": 16,
                "workload": {
                    "repeat": "forever",
                    "steps": [
                        {"compute": length},
                        {"touch": {"pattern": "uniform", "pages": 16, "refs": 20, "write": 0.5}},
                    ],
                },
            }
            for name, length in lengths.items()
        ],
    }
    return data | changes


class MemoryStore:
    """What vms.live.store does, without rows; `log` is what was called, in order."""

    def __init__(self, data):
        self.data = data
        self.log = []
        self.entries = {}
        self.runs = {}
        self.current = None
        self.broken = False

    def scenario(self):
        return Scenario.parse(self.data)

    async def load(self, lab):
        self.log.append(("load", lab))
        return self.scenario(), None

    async def limits(self, lab):
        return LIMITS

    async def open_run(self, lab, machine, scenario):
        self.log.append(("open_run", lab))
        origin = "reset" if self.runs else "start"
        return self._new(self.current, scenario, origin, None, None)

    def _new(self, parent, scenario, origin, tick, sequence):
        run_id = len(self.runs) + 1
        self.runs[run_id] = {
            "number": run_id,
            "name": "",
            "note": "",
            "parent": parent,
            "fork_tick": tick,
            "fork_sequence": sequence,
            "origin": origin,
            "tick": tick or 0,
            "status": "paused",
            "deleted": False,
            "scenario": scenario,
        }
        self.entries[run_id] = {}
        if origin in {"start", "reset"}:
            self.current = run_id
        return run_id

    async def journal(self, run_id, entries, marks=None):
        self._check()
        for entry in entries:
            self.log.append(("journal", entry["sequence"], entry["accepted"]))
            self.entries[run_id][entry["sequence"]] = dict(entry)

    async def keep(self, run_id, frozen, standing):
        self._check()
        self.log.append(("keep", standing.tick, standing.sequence))
        return 0.0

    async def write_rest(self, lab, run_id, remains, standing, status, message):
        self._check()
        self.standing = standing
        self.runs[run_id] |= {"tick": standing.tick, "status": status}
        self.log.append(("write_back", standing.tick, status))

    def _check(self):
        if self.broken:
            raise OSError(errno.ENOSPC, "No space left on device")

    # --- the tree ---

    async def recording(self, run_id):
        run, entries = self.runs[run_id], self.entries[run_id].values()
        ticks = [run["tick"], *(entry["tick"] for entry in entries)]
        return Recording(run_id, run["scenario"], tuple(entries), tick=max(ticks))

    async def opened(self, run_id):
        recording = await self.recording(run_id)
        return Opened(machine_at(recording, recording.tick), run_id, recording.entries)

    async def tree(self, lab):
        keys = [key for key in self.runs[1] if key != "scenario"]
        return [
            {key: run[key] for key in keys} | {"current": run["number"] == self.current}
            for run in self.runs.values()
        ]

    async def numbered(self, lab, number):
        number = self.current if number is None else number
        if number not in self.runs:
            raise EngineError("{field}: this lab has no such run, got {given}", "run", given=number)
        return number, number

    async def checkpoint_ticks(self, run_id):
        return []

    async def branch(self, run_id, tick, sequence, *, origin, name="", who="", more=None):
        kept = [
            entry
            for entry in self.entries[run_id].values()
            if entry["tick"] < tick
            or (entry["tick"] == tick and (sequence is None or entry["sequence"] <= sequence))
        ]
        last = max((entry["sequence"] for entry in kept), default=0)
        made = self._new(run_id, self.runs[run_id]["scenario"], origin, tick, last)
        self.runs[made]["name"] = name
        if more is not None:
            kept.append(more | {"sequence": last + 1})
            self.runs[made]["tick"] = more["tick"]
        self.entries[made] = {entry["sequence"]: dict(entry) for entry in kept}
        return made, made

    async def unused_branch(self, run_id, sequence):
        return None

    async def choose(self, run_id):
        self.current = run_id
        self.runs[run_id]["deleted"] = False

    async def name_run(self, lab, number, name, note):
        await self.numbered(lab, number)
        self.runs[number] |= {"name": name, "note": note}

    async def delete_run(self, lab, number):
        await self.numbered(lab, number)
        if number == self.current:
            raise EngineError("{field}: run {given} is the lab's current one", "run", given=number)
        self.runs[number]["deleted"] = True

    async def restore_run(self, lab, number):
        await self.numbered(lab, number)
        self.runs[number]["deleted"] = False

    def calls(self, name):
        return [call[1:] for call in self.log if call[0] == name]


class Browser:
    """A viewer that reads all it is sent into pictures, and acknowledges when told to."""

    def __init__(self, run, name="alice", role="driver"):
        self.run = run
        self.closed = None
        self.messages = []
        self.pictures = {}
        self.receivers = {}
        self.gaps = 0
        self.viewer = Viewer(self.receive)
        self.seat = Seat(Who(f"u-{name}", name, role), self.viewer, self.close)

    async def receive(self, data):
        self.messages.append(data)
        topic = HEADER.unpack_from(data)[2]
        if topic not in self.receivers:
            names = {0: None, 1: ("heat",)}.get(topic, ("pages",))
            self.pictures[topic] = Picture(names) if names else Picture()
            self.receivers[topic] = Receiver(self.pictures[topic])
        if not self.receivers[topic].receive(data):
            self.gaps += 1

    def close(self, code, reason):
        self.closed = code, reason

    @property
    def picture(self):
        return self.pictures[0]

    @property
    def state(self):
        return self.picture.documents["state"]

    async def drain(self):
        """Take everything that is to be had, as a page that draws at once does."""
        while await self.take_one():
            self.viewer.acknowledge(self.viewer.sent)

    async def take_one(self):
        return await self.viewer.send_one()


def busy_lab(vms=6, pcpus=2, frames=96):
    """More pages than frames, a disk that is written back to, sleepers: everything moves."""
    return {
        "name": "Busy",
        "host": {
            "pcpus": pcpus,
            "frames": frames,
            "scheduler": {"policy": "stride", "time_slice": 5},
            "devices": [{"name": "disk0", "kind": "disk", "service_us": 300}],
        },
        "vms": [
            {
                "name": f"vm-{n}",
                "pages": 64,
                "vcpus": 1 + n % 2,
                "weight": 100 + n,
                "devices": [{"name": "vda", "backend": "disk0", "mode": "paravirtual"}],
                "workload": {
                    "repeat": "forever",
                    "steps": [
                        {"compute": 3 + n},
                        {"touch": {"pattern": "zipf", "pages": 64, "refs": 50, "write": 0.4}},
                        {"io": {"device": "vda", "requests": 1 + n}},
                        {"sleep": 4},
                    ],
                },
            }
            for n in range(vms)
        ],
    }
