"""Stand-ins for what surrounds a run: a clock, the rows, a browser."""

import errno

from vms.engine.scenario import Scenario
from vms.engine.scenario.limits import LIMITS
from vms.live.audience import Seat, Who
from vms.live.hub import HEADER, Viewer
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
        run_id = sum(call[0] == "open_run" for call in self.log)
        self.entries[run_id] = {}
        return run_id

    async def journal(self, run_id, entries, marks=None):
        if self.broken:
            raise OSError(errno.ENOSPC, "No space left on device")
        for entry in entries:
            self.log.append(("journal", entry["sequence"], entry["accepted"]))
            self.entries[run_id][entry["sequence"]] = dict(entry)

    async def keep(self, run_id, frozen, standing):
        if self.broken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.log.append(("keep", standing.tick, standing.sequence))

    async def write_rest(self, lab, run_id, remains, standing, status, message):
        if self.broken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.standing = standing
        self.log.append(("write_back", standing.tick, status))

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
