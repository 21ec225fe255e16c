"""Compiling everything once, so that the first run of a lab starts at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from vms.engine import memory, power, topology
from vms.engine.compiled import forget_old_kernels
from vms.engine.compiled.dispatch import use
from vms.engine.cpu import adopt, reconsider
from vms.engine.io import map_device
from vms.engine.machine import Machine, build
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import Scenario
from vms.engine.schedulers import SCHEDULERS
from vms.engine.seek import Stop, seek
from vms.engine.storage import jobs
from vms.engine.tables import EV_REVERT, EV_SNAPSHOT, PAUSED, SAVE
from vms.engine.tick import advance

TINY = {
    "name": "warm",
    "host": {"frames": 4, "devices": [{"name": "disk0"}]},
    "vms": [
        {
            "name": "a",
            "pages": 4,
            "devices": [{"name": "vda", "backend": "disk0"}],
            "workload": {"steps": [{"touch": {"refs": 4}}, {"io": {"device": "vda"}}]},
        }
    ],
}


def _jobs(machine: Machine) -> Iterator[tuple[str, Callable[[], object]]]:
    nothing = np.zeros(0, np.int32)
    yield "a tick", lambda: advance(machine, 1)
    yield "pause", lambda: machine.call(power.pause, 0)
    yield "resume", lambda: machine.call(power.resume, 0)
    yield "stop", lambda: machine.call(power.stop, 0)
    yield "start", lambda: machine.call(power.start, 0, 0)
    yield "commands", lambda: machine.call(power.note_command, 0)
    yield "devices", lambda: machine.call(map_device, 0, 0, 1)
    yield "shared disks", lambda: machine.call(power.settle_disks, 0)
    yield "snapshots", lambda: machine.call(power.note, EV_SNAPSHOT, 0, 1)
    yield "reverts", lambda: machine.call(power.unplug, 0, EV_REVERT, 1)
    yield "contexts", lambda: machine.call(power.revive, 0, PAUSED, nothing)
    yield "clones", lambda: machine.call(power.keep_off, 0)
    yield "losses", lambda: machine.call(power.fail, 0, 0)
    yield "storage", lambda: use(machine.state, "storage", "host")
    yield "jobs", lambda: machine.call(jobs.run_job, 0, SAVE, 1, -1, 0, -1)
    yield "backups", lambda: machine.call(jobs.back_up, 0)
    yield "restores", lambda: machine.call(jobs.start_restore, 0, 1, 0, 0)
    yield "contents", lambda: machine.call(jobs.check_of, 0)
    yield "seeking", lambda: seek(machine, 1, Stop(""))
    yield "pCPUs", lambda: machine.call(topology.plug_pcpu, 0, 0)
    yield "fewer pCPUs", lambda: machine.call(topology.unplug_pcpu, 0)
    yield "affinity", lambda: machine.call(topology.rearrange, 0)
    yield "policies", lambda: machine.call(adopt, 0)
    yield "keys", lambda: machine.call(reconsider, 0)
    yield "frame lists", lambda: machine.call(memory.refill_lists, nothing)
    for name in SCHEDULERS:
        yield name, lambda name=name: use(machine.state, "schedulers", name)
    for name in REPLACEMENTS:
        yield name, lambda name=name: use(machine.state, "replacement", name)


def warm(progress: Callable[[int, int, str], None] | None = None) -> None:
    """Compile the kernel, its entries and all policies, or load them from the disk cache.

    `progress(done, total, name)` is called before each piece and once at the end.
    """
    forget_old_kernels()
    jobs = list(_jobs(build(Scenario.parse(TINY))))
    for done, (name, job) in enumerate(jobs):
        if progress:
            progress(done, len(jobs), name)
        job()
    if progress:
        progress(len(jobs), len(jobs), "")
