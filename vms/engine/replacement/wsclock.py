"""WSClock: a hand looks for a page that its VM has not used for tau references, and that is clean.

A page in use when the hand comes gets the VM's virtual time, its references so far, as time of its
last use.  One that is out of the working set and was written is written back ahead of its eviction,
at most one page a search, and counts as clean from then on.  Where the hand finds nothing in a
whole round, the first clean page leaves, else the one under the hand: O(frames) in such a case.
Source: Carr and Hennessy, WSClock: A Simple and Effective Algorithm for Virtual Memory Management,
SOSP 1981; Tanenbaum and Bos, Modern Operating Systems, 3.4.9.
"""

from vms.engine.circle import after, join_circle, leave_circle
from vms.engine.compiled.dispatch import leaving
from vms.engine.frames import changed, referenced, scope, unreference
from vms.engine.io import write_back
from vms.engine.log import log
from vms.engine.scenario.keys import whole
from vms.engine.scenario.limits import FAR
from vms.engine.tables import DIRTY, EV_WRITEBACK, SHARED

HOST_KEYS = {
    "tau": whole(
        0,
        FAR,
        1_000,
        "references of its VM after which a page is no longer in the working set",
        "references",
    ),
}

NEEDS = ("note",)


def virtual_time(s, m):
    """Return the references that VM m has made.  O(vCPUs)."""
    vm = s.vm[m]
    total = 0
    for v in range(vm.first_vcpu, vm.first_vcpu + vm.vcpus):
        total += s.vcpu[v].references
    return total


def fill(s, f, page):
    """Note the time of use; a frame on no list goes just behind the hand."""
    s.note[f].time = virtual_time(s, s.frame[f].vm)
    join_circle(s, f, page)


def dirty(s, f):
    """Return whether the page in frame f has to be written back."""
    return s.pte[s.frame[f].page] & DIRTY != 0


def clean(s, f):
    """Write the page in frame f back, ahead of its eviction."""
    h = s.host
    page = s.frame[f].page
    leaving(s, f)
    first = page
    while page >= 0:
        s.pte[page] &= ~DIRTY
        page = s.mate[page] if s.pte[page] & SHARED else -1
    page = first
    changed(s, f)
    h.writebacks += 1
    h.cleanings += 1
    log(s, EV_WRITEBACK, h.now, -1, -1, page, f)
    if h.swap >= 0:
        write_back(s, h.now + 1)


def leaves(s, f):
    """Return whether the page in frame f is out of its working set; note the time if it is used."""
    now = virtual_time(s, s.frame[f].vm)
    if referenced(s, f):
        unreference(s, f)
        s.note[f].time = now
    return now - s.note[f].time > s.host.tau


def any_page(s, l):  # noqa: E741
    """Return the first clean frame from the hand, else the one under it."""
    f = s.flist[l].hand
    for _ in range(s.flist[l].n):
        if not dirty(s, f):
            return f
        f = after(s, f)
    return f


def victim(s, page):
    """Return the first frame from the hand that is out of its working set and clean."""
    l = scope(s, page)  # noqa: E741
    if s.flist[l].n == 0:
        return -1
    cleaned = 0
    for seen in range(2 * s.flist[l].n):
        if seen == s.flist[l].n and cleaned == 0:
            break
        f = s.flist[l].hand
        if leaves(s, f):
            if not dirty(s, f):
                s.flist[l].hand = after(s, f)
                return f
            if cleaned == 0:
                clean(s, f)
                cleaned = 1
        s.flist[l].hand = after(s, f)
    f = any_page(s, l)
    s.flist[l].hand = after(s, f)
    return f


def drop(s, f):
    """Take a freed frame out of its circle."""
    leave_circle(s, f)
