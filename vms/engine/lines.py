"""A line of vCPUs for each pCPU: linked both ways, so that who stands in it leaves it in O(1).

`pcpu.head`, `pcpu.tail`, `unit.next` and `unit.before` are 1 + a vCPU, `unit.line` is 1 + the pCPU
in whose line it stands; 0 is nobody.  What a line is for is the policy's business.
"""

from vms.engine.compiled import inner


@inner
def first_of(s, p):
    """Return the first vCPU in p's line, -1 where nobody stands there."""
    return s.pcpu[p].head - 1


@inner
def after(s, v):
    """Return who stands behind v, -1 for nobody."""
    return s.unit[v].next - 1


@inner
def drop(s, v):
    """Take v out of the line it stands in, if it does."""
    u = s.unit[v]
    if u.line == 0:
        return
    cpu = s.pcpu[u.line - 1]
    if u.before > 0:
        s.unit[u.before - 1].next = u.next
    else:
        cpu.head = u.next
    if u.next > 0:
        s.unit[u.next - 1].before = u.before
    else:
        cpu.tail = u.before
    u.line = 0
    u.next = 0
    u.before = 0


@inner
def insert(s, p, v, w):
    """Put v, which stands in no line, into p's line before w; last of all where w is -1."""
    u, cpu = s.unit[v], s.pcpu[p]
    u.line = p + 1
    u.next = w + 1
    u.before = cpu.tail if w < 0 else s.unit[w].before
    if u.before > 0:
        s.unit[u.before - 1].next = v + 1
    else:
        cpu.head = v + 1
    if w >= 0:
        s.unit[w].before = v + 1
    else:
        cpu.tail = v + 1
