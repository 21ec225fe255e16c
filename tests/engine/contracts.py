"""What every entry of a registry promises: one public checker for each kind of entry.

Whoever adds a policy, a device or a command runs these over it; `test_contracts.py` runs them over
all that are registered.  A broken promise is an AssertionError that says which.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.engine.plain import Event
from tests.engine.running import built, run
from vms.engine import breakdown, laws, metrics
from vms.engine.checkpoint import load, save
from vms.engine.commands import COMMANDS, parse
from vms.engine.compiled import dispatch
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.tables import NOTHING, RUNNING

Raw = dict[str, Any]
TICKS = 150
HOOKS = {
    "schedulers": {
        "pick",
        "charge",
        "slice_ticks",
        "wake",
        "timer",
        "back",
        "block",
        "preempts",
        "yields",
        "renew",
    },
    "replacement": {"hit", "fill", "victim", "drop", "forget"},
}


def work(*steps: Raw, repeat: object = "forever") -> Raw:
    return {"repeat": repeat, "steps": list(steps)}


def host_under_load(**host: Any) -> Raw:
    """Return VMs of several kinds that compute, touch, wait and sleep on two pCPUs."""
    touch = {"pattern": "zipf", "refs": 60, "refs_per_tick": 12, "write": 0.3}
    devices = [{"name": "vda", "backend": "disk0", "size_mib": 4, "used_mib": 1}]
    writes = {"io": {"device": "vda", "op": "write", "requests": 3}}
    defaults: Raw = {
        "pcpus": 2,
        "frames": 40,
        "scheduler": {"time_slice": 4},
        "swap": {"device": "disk0"},
        "devices": [
            {"name": "disk0", "kind": "disk", "service_us": 150},
            {"name": "disk1", "kind": "disk", "mib_per_s": 200},
        ],
    }
    return {
        "name": "contract",
        "seed": 3,
        "host": defaults | host,
        "vms": [
            {"name": "hog", "count": 3, "weight": 100, "workload": work({"compute": 7})},
            {"name": "pages", "pages": 60, "workload": work({"touch": touch}, {"compute": 2})},
            {
                "name": "io",
                "kind": "container",
                "pages": 20,
                "devices": devices,
                "workload": work({"compute": 1}, writes),
            },
            {"name": "naps", "vcpus": 2, "workload": work({"compute": 3}, {"sleep": 5})},
            {"name": "locks", "vcpus": 2, "workload": work({"compute": 1}, {"spin": 4})},
        ],
    }


def one_reader(policy: str, scope: str = "global") -> Raw:
    """Return a VM that references a trace in few frames, one page a tick, on one pCPU."""
    pages = [n * n % 17 for n in range(40)]
    return {
        "name": "contract",
        "host": {
            "frames": 6,
            "costs": "none",
            "replacement": {"policy": policy, "scope": scope},
        },
        "vms": [
            {
                "name": "reader",
                "pages": 17,
                "workload": work({"trace": {"pages": pages, "refs_per_tick": 1}}),
            }
        ],
    }


def two_readers(policy: str, scope: str) -> Raw:
    """Return two such VMs of one pCPU, which write, in scope global or local."""
    raw = one_reader(policy, scope)
    touch = {"pattern": "uniform", "pages": 9, "refs": 50, "refs_per_tick": 1, "write": 0.5}
    raw["vms"].append({"name": "writer", "pages": 9, "workload": work({"touch": touch})})
    return raw


# What each kind of entry promises


def check_scheduler(name: str) -> None:
    """Deterministic, work-conserving, picks only who waits, can be saved, is documented."""
    raw = host_under_load(scheduler={"policy": name, "time_slice": 4})
    check_documented(module("schedulers", name))
    check_hooks("schedulers", name)
    check_repeatable(lambda: built(raw))
    for machine in stepped(built(raw)):
        check_running(machine)
        assert all(laws.check(machine).values()), f"{name} breaks {laws.check(machine)}"
    if not getattr(module("schedulers", name), "LAZY", False):
        check_work_conserving(built(raw), name)


def check_replacement(name: str) -> None:
    """Deterministic, its victims are resident and in scope, can be saved, is documented."""
    check_documented(module("replacement", name))
    check_hooks("replacement", name)
    raws = [one_reader(name)]
    if name != "opt":
        raws += [two_readers(name, scope) for scope in ("global", "local")]
    for raw in raws:
        check_repeatable(lambda raw=raw: built(raw))  # type: ignore[misc]
        check_victims(built(raw), name)


def check_device(kind: str, mode: str) -> None:
    """Serves every request once, in order, obeys the utilisation law, can be saved."""
    found = module("devices", kind)
    check_documented(found)
    assert all(isinstance(value, int) for value in (found.CHANNELS, found.SERVICE_US, found.VFS))
    raw = host_under_load()
    raw["host"]["devices"] = [{"name": "d", "kind": kind, "vfs": 1}]
    del raw["host"]["swap"]
    raw["vms"] = [
        {
            "name": "io",
            "devices": [{"name": "v", "backend": "d", "mode": mode}],
            "workload": work({"io": {"device": "v", "requests": 9, "kib": 1}}, {"compute": 1}),
        }
    ]
    check_repeatable(lambda: built(raw))
    machine = built(raw)
    run(machine, 20 * TICKS)
    device = metrics.result(machine)["devices"][0]
    assert device["requests"] > 9
    assert 0 < device["utilisation"] <= 1
    assert all(laws.check(machine).values())


def check_command(name: str, fields: Raw, prepare: Callable[[Machine], None], **host: Any) -> None:
    """Changes what it names and breaks no law; refused, it changes nothing; can be repeated."""
    kind = COMMANDS[name]
    assert kind.type == name
    assert (kind.__doc__ or "").strip(), f"{name} has no docstring"

    def commanded() -> Machine:
        machine = built(host_under_load(**host))
        run(machine, 40)
        prepare(machine)
        parse({"type": name, **fields}).apply(machine)
        return machine

    check_repeatable(commanded)
    for machine in stepped(commanded()):
        assert all(laws.check(machine).values()), f"{name} breaks {laws.check(machine)}"
    check_refusal(name, fields)


def check_refusal(name: str, fields: Raw) -> None:
    """Assert that a command with a field too many is refused, in one sentence on that field."""
    with pytest.raises(EngineError) as refusal:
        parse({"type": name, **fields, "no_such_field": 1})
    assert refusal.value.field == "no_such_field"
    assert "\n" not in str(refusal.value)


# The promises


def module(registry: str, name: str) -> ModuleType:
    if registry == "devices":
        return importlib.import_module(f"vms.engine.{registry}.{name}")
    return dispatch.load(registry, name)


def check_documented(found: ModuleType) -> None:
    """Assert that a module says what it is and where that comes from."""
    text = found.__doc__ or ""
    assert len(text.splitlines()[0]) > 10, f"{found.__name__} does not say what it is"
    assert re.search(r"Source|\b(19|20)\d\d\b", text), f"{found.__name__} names no source"


def check_hooks(registry: str, name: str) -> None:
    """Assert that each public function of a policy is a hook and has a docstring."""
    found = module(registry, name)
    own = [
        value
        for value in vars(found).values()
        if callable(value) and getattr(value, "__module__", "") == found.__name__
    ]
    assert HOOKS[registry] & {value.__name__ for value in own}, f"{name} has no hook"
    for value in own:
        assert value.__doc__, f"{name}.{value.__name__} has no docstring"


def check_repeatable(make: Callable[[], Machine]) -> None:
    """Assert that two machines, one of them saved and restored on the way, tell one story."""
    first, second = make(), make()
    events: list[Event] = []
    again: list[Event] = []
    run(first, TICKS, events)
    run(second, TICKS // 2, again)
    restored = load(save(second))
    run(restored, TICKS - TICKS // 2, again)
    assert events == again
    assert metrics.result(first) == metrics.result(restored)


def stepped(machine: Machine) -> Iterator[Machine]:
    """Advance tick by tick, and give the machine after each tick."""
    for _ in range(TICKS):
        run(machine, 1)
        yield machine


def check_running(machine: Machine) -> None:
    """Assert that who runs had something to run for and waits for nothing."""
    vcpu = machine.state.vcpu
    running = vcpu["state"] == RUNNING
    assert not vcpu["ended"][running].any()
    assert (vcpu["waits_for"][running] == NOTHING).all()
    assert (vcpu["wake_at"][running] <= machine.now).all()


def check_work_conserving(machine: Machine, name: str) -> None:
    """Assert that no pCPU idles in a tick in which a vCPU waits."""
    idle = waited = 0
    for _ in stepped(machine):
        idle_now, waited_now = int(breakdown.idle(machine).sum()), waiting(machine)
        assert idle_now == idle or waited_now == waited, f"{name} idles at {machine.now - 1}"
        idle, waited = idle_now, waited_now


def waiting(machine: Machine) -> int:
    """Return the ticks all vCPUs have waited so far."""
    return int(breakdown.times(machine)["runnable"].sum())


def check_victims(machine: Machine, name: str) -> None:
    """Assert that every page evicted was resident in that frame, and in scope."""
    state = machine.state
    local = bool(state.host[0].scope_local)
    events: list[Event] = []
    evictions = 0
    for _ in range(TICKS):
        before = state.frame["page"].copy()
        owner = np.where(before >= 0, state.page_vm[before], -1)
        events.clear()
        run(machine, 1, events)
        faulting = [state.vcpu["vm"][event.vcpu] for event in events if event.kind == "fault"]
        for event in (event for event in events if event.kind == "evict"):
            evictions += 1
            assert before[event.b] == event.a, f"{name} evicts page {event.a}, which is not there"
            own = np.flatnonzero(owner == faulting[0])
            assert not local or not len(own) or event.b in own, f"{name} leaves its scope"
    assert evictions, f"{name} never had to choose"
