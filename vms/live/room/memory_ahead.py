"""Which page goes next, and whether the next reference is a hit or a fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vms.engine.machine import Machine
from vms.engine.replacement import REPLACEMENTS
from vms.engine.tables import ACCESSED, CLOCK, DIRTY, EV_EVICT, EV_FAULT, FRAME, PRESENT, SWAPPED
from vms.live.room.foresight import Ahead, Foresight, Make, nothing_comes, options_of

JSON = dict[str, Any]
COLUMNS = ("last used", "came in", "referenced", "written")
HIT, MINOR, MAJOR = "hit", "minor", "major"

BELIEFS = {
    (HIT, MINOR): ["touched"],
    (HIT, MAJOR): ["stays"],
    (MINOR, HIT): ["first_use"],
    (MINOR, MAJOR): ["no_swap"],
    (MAJOR, HIT): ["evicted"],
    (MAJOR, MINOR): ["every_fault_reads"],
}
"""What one may believe who said the first where the second was true."""


# --- which page goes ------------------------------------------------------------------------------


def next_victim(make: Make, vm: int | None, history: Callable[[int], dict[int, int]]) -> Foresight:
    """Return the next eviction, of a VM or of any."""
    ahead = Ahead(make())
    owner = ahead.machine.state.page_vm
    while True:
        tick, events = ahead.machine.now, ahead.tick()
        if events is None:
            raise nothing_comes("eviction")
        evicted = events[events["kind"] == EV_EVICT]
        if vm is not None:
            evicted = evicted[owner[evicted["a"]] == vm]
        if len(evicted):
            victim = int(evicted["a"][0])
            return _of_victim(Ahead(make()).to(tick), victim, history(tick))


def _of_victim(machine: Machine, victim: int, order: dict[int, int]) -> Foresight:
    state = machine.state
    rows = np.flatnonzero(state.pte & PRESENT)
    if int(state.host[0].scope_local):
        rows = rows[state.page_vm[rows] == state.page_vm[victim]]
    pages = sorted({*rows.tolist(), victim})
    named = [(rule, _named(machine, pick(machine, pages, order))) for rule, pick in RULES.items()]
    truth = _name(machine, victim)
    by_name = {_name(machine, page): page for page in pages}
    options = [
        {"id": name, "label": name, "rules": rules, "facts": _facts(machine, by_name[name], order)}
        for name, rules in options_of(truth, named, list(by_name))
    ]
    policy = machine.replacement
    reasons = {
        "policy": policy,
        "summary": REPLACEMENTS[policy],
        "rule": REPLACEMENTS[policy],
        "tie": None,
        "tick": machine.now,
        "columns": [
            {"title": title, "deciding": title in DECIDES.get(policy, ())} for title in COLUMNS
        ],
    }
    return Foresight({"policy": policy, "pages": len(pages)}, options, truth, reasons)


DECIDES = {
    "fifo": ("came in",),
    "lru": ("last used",),
    "clock": ("referenced", "came in"),
}
"""Which of the columns a policy looks at."""


def _name(machine: Machine, page: int) -> str:
    vm = int(machine.state.page_vm[page])
    return f"{machine.vm_names[vm]}/{page - int(machine.state.vm['first_page'][vm])}"


def _named(machine: Machine, page: int | None) -> str | None:
    return None if page is None else _name(machine, page)


def _age(machine: Machine, page: int) -> int:
    """Return for how many ticks a page was not used; -1 where it is not in memory."""
    entry = int(machine.state.pte[page])
    if not entry & PRESENT:
        return -1
    return (machine.now - int(machine.state.frame["used"][entry & FRAME])) & CLOCK


def _facts(machine: Machine, page: int, order: dict[int, int]) -> list[int | str]:
    """Return the values of COLUMNS: ticks ago, the how many-th of those known, yes or no."""
    entry = int(machine.state.pte[page])
    age = _age(machine, page)
    came = sum(other <= order[page] for other in order.values()) if page in order else "–"
    marks = ["yes" if entry & bit else "no" for bit in (ACCESSED, DIRTY)]
    return [age if age >= 0 else "–", came, *marks]


Pick = Callable[[Machine, Sequence[int], dict[int, int]], int | None]


def _oldest(machine: Machine, pages: Sequence[int], order: dict[int, int]) -> int | None:
    return max(pages, key=lambda page: _age(machine, page))


def _newest(machine: Machine, pages: Sequence[int], order: dict[int, int]) -> int | None:
    used = [page for page in pages if _age(machine, page) >= 0]
    return min(used, key=lambda page: _age(machine, page)) if used else None


def _first_in(machine: Machine, pages: Sequence[int], order: dict[int, int]) -> int | None:
    known = [page for page in pages if page in order]
    return min(known, key=lambda page: order[page]) if known else None


def _last_in(machine: Machine, pages: Sequence[int], order: dict[int, int]) -> int | None:
    known = [page for page in pages if page in order]
    return max(known, key=lambda page: order[page]) if known else None


def _clean(machine: Machine, pages: Sequence[int], order: dict[int, int]) -> int | None:
    clean = [page for page in pages if not int(machine.state.pte[page]) & DIRTY]
    return _oldest(machine, clean, order) if clean and len(clean) < len(pages) else None


def _lowest(machine: Machine, pages: Sequence[int], order: dict[int, int]) -> int | None:
    there = [page for page in pages if _age(machine, page) >= 0]
    return min(there, key=lambda page: int(machine.state.pte[page]) & FRAME) if there else None


RULES: dict[str, Pick] = {
    "lru": _oldest,
    "fifo": _first_in,
    "mru": _newest,
    "last_in": _last_in,
    "clean": _clean,
    "lowest": _lowest,
}
"""In the order in which one stands for an answer that several of them would give."""


# --- hit or fault ---------------------------------------------------------------------------------


def next_reference(make: Make, vm: int | None) -> Foresight:
    """Return the next memory reference of a VM, or of any."""
    ahead = Ahead(make())
    vcpus = ahead.machine.state.vcpu
    mine = np.flatnonzero((vcpus["vm"] == vm) | (vm is None))
    while True:
        tick, before = ahead.machine.now, vcpus["references"][mine].copy()
        on = ahead.machine.state.pcpu["vcpu"].copy()
        if ahead.tick() is None:
            raise nothing_comes("memory reference")
        made = mine[vcpus["references"][mine] > before]
        if len(made):
            places = {int(v): p for p, v in enumerate([*on, *ahead.machine.state.pcpu["vcpu"]])}
            vcpu = min(made.tolist(), key=lambda v: places.get(v, len(places)))
            return _of_reference(Ahead(make()).to(tick), vcpu)


def _of_reference(machine: Machine, vcpu: int) -> Foresight:
    """Have each vCPU make one reference and no more, and see what that of `vcpu` does."""
    state, tick = machine.state, machine.now
    vm = int(state.vcpu["vm"][vcpu])
    first, pages = int(state.vm["first_page"][vm]), int(state.vm["pages"][vm])
    before = state.pte[first : first + pages].copy()
    used = state.frame["used"].copy()
    state.step["refs_per_tick"] = np.minimum(state.step["refs_per_tick"], 1)
    events = Ahead(machine).tick()
    assert events is not None
    page: int | None
    faults = events[(events["kind"] == EV_FAULT) & (events["vcpu"] == vcpu)]
    if len(faults):
        truth, page = (MAJOR if int(faults["b"][0]) else MINOR), int(faults["a"][0])
    else:
        truth, page = HIT, _page_used(state, first, pages, used, tick)
    names = machine.vm_names
    question = {"vm": names[vm], "vcpu": machine.vcpu_names[vcpu], "page": page}
    options = [
        {"id": kind, "label": kind, "rules": BELIEFS.get((kind, truth), []), "facts": []}
        for kind in (HIT, MINOR, MAJOR)
    ]
    entry = int(before[page]) if page is not None else 0
    state_was = "resident" if entry & PRESENT else "in swap" if entry & SWAPPED else "never used"
    reasons = {
        "policy": machine.replacement,
        "summary": REPLACEMENTS[machine.replacement],
        "tick": tick,
        "was": "resident" if truth == HIT else state_was,
        "frame": entry & FRAME if entry & PRESENT else None,
        "rule": None,
        "tie": None,
        "columns": [],
    }
    return Foresight(question, options, truth, reasons)


def _page_used(state: Any, first: int, pages: int, used: np.ndarray, tick: int) -> int | None:
    """Return the one page of a VM whose frame was used in a tick; None where there are several."""
    entries = state.pte[first : first + pages]
    there = np.flatnonzero(entries & PRESENT)
    frames = entries[there] & FRAME
    now = tick & CLOCK
    found = there[(state.frame["used"][frames] == now) & (used[frames] != now)]
    return int(found[0]) if len(found) == 1 else None
