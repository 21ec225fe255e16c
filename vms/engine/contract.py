"""Does a scheduler keep its promises?  To be asked from a notebook, a shell or a test.

>>> from vms.engine.contract import check
>>> check("stride")["ok"]
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vms.engine import laws, metrics
from vms.engine.checkpoint import load, save
from vms.engine.machine import Machine, build
from vms.engine.scenario import Scenario
from vms.engine.scheduling import module
from vms.engine.tick import advance

TICKS = 150
Raw = dict[str, Any]


def check(policy: str, scenario: Raw | None = None, ticks: int = TICKS) -> Raw:
    """Return which promises a scheduler keeps: {"ok": all of them, promise: what is wrong or ""}.

    `scenario`: a raw one to try it on, its policy is replaced; by default VMs that compute, sleep
    and have two vCPUs, on two pCPUs.  Nothing is raised for a promise that is not kept.
    """
    raw = with_policy(scenario or example(), policy)
    found = {
        name: told(lambda promise=promise: promise(policy, raw, ticks))  # type: ignore[misc]
        for name, promise in PROMISES.items()
    }
    return {"ok": not any(found.values()), **found}


def told(promise: Callable[[], None]) -> str:
    """Return why a promise is not kept, "" where it is."""
    try:
        promise()
    except Exception as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ""


def example() -> Raw:
    """Return what a scheduler is tried on."""

    def vm(name: str, *steps: Raw, **keys: Any) -> Raw:
        work = {"repeat": "forever", "steps": list(steps)}
        return {"name": name, "pages": 1, "workload": work, **keys}

    return {
        "name": "contract",
        "host": {"pcpus": 2, "scheduler": {"time_slice": 4}},
        "vms": [
            vm("hog", {"compute": 7}, count=2, weight=100),
            vm("naps", {"compute": 3}, {"sleep": 5}, vcpus=2),
            vm("late", {"compute": 9}, {"sleep": 1}, start_at=20),
        ],
    }


def with_policy(raw: Raw, policy: str) -> Raw:
    """Return a raw scenario with another scheduler, whose keys have their defaults."""
    host = raw.get("host", {})
    slices = {k: v for k, v in host.get("scheduler", {}).items() if k == "time_slice"}
    return {**raw, "host": {**host, "scheduler": {"policy": policy, **slices}}}


def made(raw: Raw) -> Machine:
    """Return a machine of a raw scenario."""
    return build(Scenario.parse(raw))


def run(machine: Machine, ticks: int) -> Machine:
    """Advance by so many ticks, or to the end, or to where nothing can happen any more."""
    end = machine.now + ticks
    while machine.now < end and not (machine.ended or machine.stalled):
        advance(machine, end - machine.now)
        machine.drain()
    return machine


def is_documented(policy: str, raw: Raw, ticks: int) -> None:
    """Its file says what it is and names its source; its functions say what they do."""
    found = module(policy)
    text = found.__doc__ or ""
    assert "Source" in text, "the file's docstring names no source"
    for name, value in vars(found).items():
        if callable(value) and getattr(value, "__module__", "") == found.__name__:
            assert value.__doc__, f"{name} has no docstring"


def has_hooks(policy: str, raw: Raw, ticks: int) -> None:
    """It has `pick`, the one function that every scheduler needs."""
    found = module(policy)
    own = [name for name, each in vars(found).items() if callable(each)]
    names = {name for name in own if getattr(found, name).__module__ == found.__name__}
    assert "pick" in names, "there is no pick(s, p)"


def is_deterministic(policy: str, raw: Raw, ticks: int) -> None:
    """Two machines tell one story, also where one is saved and restored on the way."""
    whole, half = run(made(raw), ticks), run(made(raw), ticks // 2)
    again = run(load(save(half)), ticks - ticks // 2)
    assert whole.event_hash == again.event_hash, "a machine that was restored goes another way"
    assert metrics.result(whole) == metrics.result(again), "its result is another one"


def is_the_same_in_steps(policy: str, raw: Raw, ticks: int) -> None:
    """Ticks one by one come to the same as all at once: `charge` is linear, nothing is lost."""
    whole, stepped = run(made(raw), ticks), made(raw)
    stepped.state.host["cap"] = 1
    for _ in range(ticks):
        run(stepped, 1)
    assert whole.event_hash == stepped.event_hash, "tick by tick it decides otherwise"


def keeps_the_laws(policy: str, raw: Raw, ticks: int) -> None:
    """Every law of the engine holds after every tick."""
    machine = made(raw)
    for _ in range(ticks):
        broken = [name for name, holds in laws.check(run(machine, 1)).items() if not holds]
        assert not broken, f"at tick {machine.now}: {', '.join(broken)}"


def conserves_work(policy: str, raw: Raw, ticks: int) -> None:
    """No pCPU idles while a vCPU waits that it could run, but where the policy is LAZY."""
    if getattr(module(policy), "LAZY", False):
        return
    machine = run(made(raw), ticks)
    idle = int(machine.stolen()[:, -1].sum())
    assert idle == 0, f"vCPUs waited {idle} ticks for pCPUs that were idle"


PROMISES: dict[str, Callable[[str, Raw, int], None]] = {
    "documented": is_documented,
    "hooks": has_hooks,
    "deterministic": is_deterministic,
    "the same tick by tick": is_the_same_in_steps,
    "laws": keeps_the_laws,
    "work-conserving": conserves_work,
}
"""What a scheduler promises, in the order in which it is tried."""
