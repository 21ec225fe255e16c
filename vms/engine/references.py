"""The memory references of a vCPU in one tick: which pages, and whether it writes."""

from vms.engine.compiled import inner
from vms.engine.memory import BLOCKS, FAULT, OUT, access, crash
from vms.engine.rng import MOVES, WRITES, below, draw
from vms.engine.tables import CLOCK, SEQUENTIAL, TRACE, UNIFORM, ZIPF


@inner
def pattern_page(s, v, step):
    """Return the page (gpn) of the next reference of a touch step."""
    vc = s.vcpu[v]
    if step.pattern == SEQUENTIAL:
        return step.first + vc.position
    seed = s.host.seed
    n = vc.references - vc.rewound
    high, low = draw(seed, v, n)
    if step.pattern == UNIFORM:
        return step.first + ((high * step.pages) >> 32)
    if step.pattern == ZIPF:
        i = (high * step.pages) >> 32
        if low >= s.alias_p[step.offset + i]:
            i = s.alias_i[step.offset + i]
        return step.first + i
    base = below(seed, MOVES + v, n // step.move_every, step.pages)
    return step.first + (base + ((high * step.window) >> 32)) % step.pages


@inner
def advance_position(s, v, step):
    """Move on in a sweep or a trace."""
    vc = s.vcpu[v]
    vc.position += 1
    if step.kind != TRACE and vc.position == step.pages:
        vc.position = 0


@inner
def make_references(s, v, at):
    """Make the references of vCPU v in tick `at`, until its rate, step or memory ends them.

    Changes vcpu (references, position, step_left, debt_ns), the VM's counters, page tables and
    frames; queues the requests of faults, which leave at time point at + 1.
    """
    vc = s.vcpu[v]
    vm = s.vm[vc.vm]
    step = s.step[vc.step]
    made, faults = 0, 0
    for _ in range(min(step.refs_per_tick, vc.step_left)):
        if step.kind == TRACE:
            reference = s.trace[step.offset + vc.position]
            gpn, write = reference >> 1, reference & 1 == 1
        else:
            gpn = pattern_page(s, v, step)
            write = False
            if step.write_below > 0:
                n = vc.references - vc.rewound
                write = below(s.host.seed, WRITES + v, n, 1 << 32) < step.write_below
        what = access(s, v, gpn, write, at)
        if what == OUT:
            crash(s, v, gpn, at)
            break
        if write and s.host.tracks:
            s.content[vm.first_page + gpn] = at % CLOCK + 1
        vc.references += 1
        vc.step_left -= 1
        advance_position(s, v, step)
        made += 1
        if what == FAULT:
            faults += 1
        elif what == BLOCKS:
            faults += 1
            break
    vm.references += made
    vm.hits += made - faults
