"""How long a vCPU will run before it blocks or ends: what sjf and srtf know, as textbooks do."""

from vms.engine.compiled import inner
from vms.engine.tables import COMPUTE, INF, IO, PAUSE, SPIN


@inner
def ticks_of(s, step, n):
    """Return the ticks that n units of a step take on a pCPU: references are rounded up."""
    if step.kind == COMPUTE or step.kind == SPIN:
        return n
    return (n + step.refs_per_tick - 1) // step.refs_per_tick


@inner
def until_block(s, i, end, left):
    """Return (ticks from step i on, of which `left` remains; 1 if a step before `end` blocks)."""
    total = 0
    while i < end:
        step = s.step[i]
        if step.kind == PAUSE or step.kind == IO:
            return total, 1
        total += ticks_of(s, step, left if left >= 0 else step.n)
        left = -1
        i += 1
    return total, 0


@inner
def burst(s, v):
    """Return the ticks vCPU v needs until it blocks or ends, INF if it never does.  O(steps)."""
    vc = s.vcpu[v]
    if vc.step < 0:
        return 0
    end = vc.first_step + vc.steps
    rest, blocks = until_block(s, vc.step, end, vc.step_left)
    if blocks or vc.repeat_left == 1:
        return rest
    one, blocks = until_block(s, vc.first_step, end, -1)
    if blocks:
        return rest + one
    if vc.repeat_left < 0 or vc.repeat_left > INF // (2 * one):
        return INF
    return rest + one * (vc.repeat_left - 1)
