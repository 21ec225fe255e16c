"""The memory references of a vCPU in one tick: which pages, and whether it writes."""

from vms.engine.compiled import entry, inner
from vms.engine.compiled.dispatch import noted, translate
from vms.engine.memory import BLOCKS, FAULT, NOT_MADE, OUT, access, crash
from vms.engine.rng import MOVES, WRITES, below, draw
from vms.engine.tables import CLOCK, REFUSE, SEQUENTIAL, TOUCH, TRACE, UNIFORM, ZIPF


@inner
def pattern_page(s, v, step, position, n):
    """Return the page (gpn) of a touch step's reference at `position`, number n of vCPU v."""
    if step.pattern == SEQUENTIAL:
        return step.first + position
    seed = s.host.seed
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
def writes(s, v, step, n):
    """Return whether a touch step's reference, number n of vCPU v, writes."""
    if step.write_below == 0:
        return False
    return below(s.host.seed, WRITES + v, n, 1 << 32) < step.write_below


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
    watch = s.host.watch
    for _ in range(min(step.refs_per_tick, vc.step_left)):
        if step.kind == TRACE:
            reference = s.trace[step.offset + vc.position]
            gpn, write = reference >> 1, reference & 1 == 1
        else:
            n = vc.references - vc.rewound
            gpn = pattern_page(s, v, step, vc.position, n)
            write = writes(s, v, step, n)
        what = access(s, v, gpn, write, at)
        if what == OUT:
            if crash(s, v, gpn, at) != REFUSE:
                break
            what = NOT_MADE
        if write and s.host.tracks and what != NOT_MADE:
            s.content[vm.first_page + gpn] = at % CLOCK + 1
        if watch and what != NOT_MADE:
            noted(s, vm.first_page + gpn << 1 | (1 if write else 0))
            translate(s, v, vm.first_page + gpn << 1 | (1 if write else 0))
        vc.references += 1
        vc.step_left -= 1
        advance_position(s, v, step)
        made += 1
        if what in (FAULT, NOT_MADE):
            faults += 1
        elif what == BLOCKS:
            faults += 1
            break
    vm.references += made
    vm.hits += made - faults


@entry
def look_ahead(s, v, made, first, out):
    """Put references of vCPU v into `out`, page << 1 | write, without making them.

    `first` counts from the next one; `made`: those since its workload began, first + made >= 0.
    """
    vc = s.vcpu[v]
    whole = 0
    for k in range(vc.first_step, vc.first_step + vc.steps):
        if s.step[k].kind == TRACE or s.step[k].kind == TOUCH:
            whole += s.step[k].n
    n = vc.references - vc.rewound + first
    position = (made + first) % whole
    k = vc.first_step
    for i in range(len(out)):
        while (s.step[k].kind != TRACE and s.step[k].kind != TOUCH) or position >= s.step[k].n:
            if s.step[k].kind == TRACE or s.step[k].kind == TOUCH:
                position -= s.step[k].n
            k += 1
            if k == vc.first_step + vc.steps:
                k = vc.first_step
        step = s.step[k]
        if step.kind == TRACE:
            out[i] = s.trace[step.offset + position]
        else:
            page = pattern_page(s, v, step, position % step.pages, n)
            out[i] = page << 1 | (1 if writes(s, v, step, n) else 0)
        position += 1
        n += 1
