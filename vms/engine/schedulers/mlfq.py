"""Multi-level feedback queue: who computes falls, who waits for I/O stays; a boost lifts everybody.

A vCPU runs for the quantum of its queue, as many times as the queue's allotment says; then it falls
into the next one.  The first queue that is not empty runs, round robin.
Source: Arpaci-Dusseau, Operating Systems: Three Easy Pieces, chapter 8, and its program mlfq.py,
whose numbers the dialect ostep gives; Corbató, Daggett and Daley, AFIPS 1962.
"""

from vms.engine.queue import ask_all, gives_way, least, mine, target, to_front, to_tail
from vms.engine.scenario.keys import Key, Several, flag, whole
from vms.engine.tables import INF, SLICE_USED_UP

HOST_KEYS = {
    "queues": whole(1, 64, 3, "number of queues", "queues"),
    "quanta": Key(
        Several(1, 100_000, "ticks", 64),
        None,
        "quantum of each queue, the first one first; left out: time_slice",
    ),
    "allotments": Key(
        Several(1, 1_000, "quanta", 64),
        None,
        "quanta a vCPU may use in each queue before it falls; left out: 1",
    ),
    "boost": whole(
        0, 1_000_000_000, 0, "ticks after which all go to the first queue; 0: never", "ticks"
    ),
    "stay": flag(False, "whether who blocks gets its whole quantum and allotment anew"),
    "bump": flag(False, "whether who wakes goes to the front of its queue"),
}
RULE = "the first queue that is not empty; in it, who queued first"
SHOWN = (
    ("queue", "unit", "rank", 1),
    ("order", "unit", "order", 1),
    ("quantum left", "unit", "left", 0),
    ("allotment left", "unit", "allot", 0),
)


def level(s, rank):
    """Return the row of a queue of the pool in force."""
    return s.level[64 * s.host.pool + rank]


def refill(s, v):
    """Give v the whole quantum and allotment of its queue."""
    u = s.unit[v]
    u.left = level(s, u.rank).quantum
    u.allot = level(s, u.rank).allotment


def spend(s, v):
    """Let v, whose quantum is used up, have the next of its allotment, or fall."""
    u = s.unit[v]
    u.allot -= 1
    if u.allot > 0:
        u.left = level(s, u.rank).quantum
    else:
        u.rank = min(u.rank + 1, s.policy.queues - 1)
        refill(s, v)


def pick(s, p):
    """Return the head of the first queue that has anybody for p."""
    return least(s, p)


def slice_ticks(s, v):
    """Return what is left of v's quantum."""
    return s.unit[v].left


def charge(s, v, n):
    """Take n ticks off v's quantum."""
    s.unit[v].left -= n


def wake(s, v):
    """Let v queue where it was when it blocked; in the first queue when it arrives."""
    u = s.unit[v]
    if u.known == 0:
        u.known = 1
        refill(s, v)
        u.order = to_tail(s)
    else:
        u.order = to_front(s) if s.policy.bump else to_tail(s)


def back(s, v, why):
    """Let v, whose quantum is used up, queue at the tail; who was preempted stays at the head."""
    if why == SLICE_USED_UP:
        spend(s, v)
        s.unit[v].order = to_tail(s)


def block(s, v, gone):
    """Let v keep the rest of its quantum, or with `stay` get it anew."""
    u = s.unit[v]
    used_up = u.left <= 0
    if gone:
        u.known = 0
        u.rank = 0
    elif s.policy.stay:
        refill(s, v)
        if used_up and s.host.stay_falls:
            spend(s, v)
    elif used_up:
        spend(s, v)


def boost(s):
    """Lift everybody into the first queue, behind who is there; the last queue first."""
    h = s.host
    for rank in range(s.policy.queues - 1, 0, -1):
        done = -INF
        while True:
            following = -1
            for v in range(h.vcpus):
                u = s.unit[v]
                first = following < 0 or u.order < s.unit[following].order
                if u.rank == rank and u.order > done and first and mine(s, v):
                    following = v
            if following < 0:
                break
            done = s.unit[following].order
            s.unit[following].order = to_tail(s)
            s.unit[following].rank = 0
    for v in range(h.vcpus):
        if s.unit[v].known and mine(s, v):
            refill(s, v)
            if s.vcpu[v].remaining_time > 0:
                s.vcpu[v].remaining_time = s.unit[v].left
    ask_all(s)


def timer(s):
    """Boost when it is due."""
    every, now = s.policy.boost, s.host.now
    if every > 0 and now > 0 and now % every == 0:
        boost(s)
    s.host.timer_at = INF if every == 0 else (now // every + 1) * every


def preempts(s, v):
    """Return an idle pCPU, or that of the last queue if v comes before it."""
    return target(s, v, 1)


def yields(s, p):
    """Give way to who comes before."""
    return gives_way(s, p, 1)
