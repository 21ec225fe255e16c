"""Cores with two hardware threads: what a thread gets done while the other one is busy.

pCPUs 2k and 2k + 1 are the threads of one core.  A tick beside a busy sibling is a tick of the
pCPU, of the slice and of the scheduler's accounts, but only `busy_percent` of a tick of work; the
hundredths are carried, so that the work done is exact in the long run.  Overhead is paid at full
speed.  Source: Marr et al., Hyper-Threading Technology Architecture and Microarchitecture, Intel
Technology Journal 6(1), 2002.
"""

from vms.engine.compiled import inner


@inner
def slowed(s, p):
    """Return whether the other thread of pCPU p's core is busy."""
    h = s.host
    return h.threads == 2 and (p ^ 1) < h.pcpus and s.pcpu[p ^ 1].vcpu >= 0


@inner
def work(s, p, v, n):
    """Account n ticks of work of vCPU v on pCPU p; return the whole ticks of it that are done."""
    if not slowed(s, p):
        return n
    vc, percent = s.vcpu[v], s.host.busy_percent
    vc.slowed += n * (100 - percent)
    vc.carry += n * percent
    done = vc.carry // 100
    vc.carry -= 100 * done
    return done


@inner
def ticks_for(s, p, v):
    """Return the ticks that vCPU v needs on pCPU p for what is left of its step."""
    vc = s.vcpu[v]
    if not slowed(s, p):
        return vc.step_left
    percent = s.host.busy_percent
    return (100 * vc.step_left - vc.carry + percent - 1) // percent
