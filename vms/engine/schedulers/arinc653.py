"""ARINC 653: a timetable that repeats: each entry gives one vCPU the pCPU for so long.

One pCPU, the first; the others stay idle.  A vCPU that has nothing to do leaves it idle until its
entry is over; one that is in no entry never runs.
Source: Xen, xen/common/sched/arinc653.c; ARINC Specification 653, Part 1.
"""

from vms.engine.queue import allowed, ask, here, waiting
from vms.engine.scenario.keys import Key, Timetable, micros
from vms.engine.tables import INF

MAPPED = True
LAZY = True
HOST_KEYS = {
    "schedule": Key(
        Timetable(),
        None,
        "entries {vm, vcpu, us} in their order; vm null: idle; left out: every vCPU, entry_us each",
    ),
    "entry_us": micros(100, 10_000_000, 10_000, "length of an entry where no schedule is given"),
    "major_us": micros(0, 1_000_000_000, 0, "length of the whole timetable; 0: all its entries"),
}
RULE = "the vCPU of the timetable's entry, if it wants to run"
SHOWN = ()


def refuse(scenario):
    """Refuse entries for vCPUs that are not there, and a timetable longer than its frame."""
    from vms.engine.errors import EngineError  # noqa: PLC0415  (kernels know no errors)

    keys = scenario.host.scheduler.keys
    vcpus = {vm.name: vm.vcpus for vm in scenario.expanded}
    for index, entry in enumerate(keys["schedule"] or ()):
        field = f"host.scheduler.schedule[{index}]"
        name = entry.get("vm")
        if name is not None and name not in vcpus:
            raise EngineError("{field} must name a VM, got {given}", f"{field}.vm", given=name)
        if name is not None and entry.get("vcpu", 0) >= vcpus[name]:
            raise EngineError(
                "{field} must be 0..{high}, got {given}",
                f"{field}.vcpu",
                high=vcpus[name] - 1,
                given=entry["vcpu"],
            )
    total = sum(entry["us"] for entry in keys["schedule"] or ())
    if 0 < keys["major_us"] < total:
        raise EngineError(
            "{field} must be 0, or {low} µs or more, the length of all entries, got {given}",
            "host.scheduler.major_us",
            low=total,
            given=keys["major_us"],
        )


FACTS = (("entry of the timetable", "policy", "entry"), ("until tick", "policy", "entry_at"))


def in_force(s, i):
    """Return whether the timetable has an entry i."""
    return i < len(s.entry) and s.entry[i].ticks > 0


def begin_frame(s):
    """Start the timetable anew."""
    policy = s.policy
    length, i = 0, 0
    while in_force(s, i):
        length += s.entry[i].ticks
        i += 1
    policy.entry = 0
    policy.reset_at = s.host.now + max(policy.major, length)
    policy.entry_at = s.host.now + s.entry[0].ticks


def timer(s):
    """Go on to the entry that is due."""
    h, policy = s.host, s.policy
    if not in_force(s, 0):
        h.timer_at = INF
        return
    if h.now >= policy.reset_at:
        begin_frame(s)
    while in_force(s, policy.entry) and h.now >= policy.entry_at:
        policy.entry += 1
        if in_force(s, policy.entry):
            policy.entry_at += s.entry[policy.entry].ticks
    h.timer_at = policy.entry_at if in_force(s, policy.entry) else policy.reset_at
    ask(s, leader(s))


def leader(s):
    """Return the pCPU that follows the timetable: the first of the pool that is online."""
    for p in range(s.host.pcpus):
        if here(s, p):
            return p
    return 0


def due(s):
    """Return the vCPU of the entry in force, -1 for none."""
    return s.entry[s.policy.entry].vcpu if in_force(s, s.policy.entry) else -1


def pick(s, p):
    """Return the place of the vCPU whose entry it is, on the first pCPU."""
    if p == leader(s):
        v = due(s)
        for k in range(s.host.queue_n):
            if waiting(s, k) == v and allowed(s, v, p):
                return k
    return -1


def slice_ticks(s, v):
    """Return a slice without end: the timetable ends it."""
    return INF


def yields(s, p):
    """Give the pCPU up when the entry is another's."""
    return 0 if s.pcpu[p].vcpu == due(s) else 1
