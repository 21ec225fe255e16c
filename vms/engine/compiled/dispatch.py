"""Which policy function is called.

A policy is one module with plain functions ("hooks").  A hook is compiled by itself when its
policy is first chosen; its address goes into the table `hooks`, and the kernel calls that address.
So the kernel is compiled once whatever policies exist, and choosing another costs milliseconds.
"""

import inspect
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vms.engine.compiled import INTERPRETED, entry, inner
from vms.engine.state import State

if TYPE_CHECKING:  # made from HOOKS below
    pick: Callable[..., Any]
    charge: Callable[..., Any]
    slice_ticks: Callable[..., Any]
    wake: Callable[..., Any]
    back: Callable[..., Any]
    block: Callable[..., Any]
    preempts: Callable[..., Any]
    yields: Callable[..., Any]
    renew: Callable[..., Any]
    timer: Callable[..., Any]
    hit: Callable[..., Any]
    fill: Callable[..., Any]
    victim: Callable[..., Any]
    drop: Callable[..., Any]
    locate: Callable[..., Any]
    wrote: Callable[..., Any]
    go_on: Callable[..., Any]
    attend: Callable[..., Any]
    forget: Callable[..., Any]
    tend: Callable[..., Any]
    noted: Callable[..., Any]
    loaded: Callable[..., Any]
    copied: Callable[..., Any]
    leaving: Callable[..., Any]
    surface: Callable[..., Any]
    part_from: Callable[..., Any]
    discarded: Callable[..., Any]
    freed: Callable[..., Any]
    out_of_memory: Callable[..., Any]
    hold: Callable[..., Any]
    translate: Callable[..., Any]
    place: Callable[..., Any]
    entered: Callable[..., Any]
    left: Callable[..., Any]
    attempt: Callable[..., Any]
    annoy: Callable[..., Any]
    regroup: Callable[..., Any]
    group_ran: Callable[..., Any]
    group_left: Callable[..., Any]
    throttled: Callable[..., Any]
    throttle: Callable[..., Any]
    group_room: Callable[..., Any]

#  name          kind           arguments after s   returns a number   without the hook
HOOKS: dict[str, tuple[str, int, bool, int | None]] = {
    "pick": ("schedulers", 1, True, -1),  # (p) -> place in the queue of who runs next, -1 nobody
    "charge": ("schedulers", 2, False, None),  # (v, n): v has run n ticks more
    "slice_ticks": ("schedulers", 1, True, 0),  # (v) -> its time slice, 0: that of its VM
    "wake": ("schedulers", 1, False, None),  # (v) becomes runnable
    "back": ("schedulers", 2, False, None),  # (v, why): v gave up its pCPU and queues again
    "block": (
        "schedulers",
        2,
        False,
        None,
    ),  # (v, gone): v waits for something, or is gone for good
    "preempts": ("schedulers", 1, True, -1),  # (v) woke: pCPU that has to ask who runs, -1 none
    "yields": ("schedulers", 1, True, 1),  # (p) was asked: whether its vCPU gives it up
    "renew": ("schedulers", 1, False, None),  # (v): keys of v's VM were changed
    "timer": ("schedulers", 0, False, None),  # host.timer_at is due
    "hit": ("replacement", 2, False, None),  # (f, page): a resident page was referenced
    "fill": ("replacement", 2, False, None),  # (f, page): page was brought into frame f
    "victim": ("replacement", 1, True, -1),  # (page) -> frame to take for page, off its lists
    "drop": ("replacement", 1, False, None),  # (f) becomes free
    "locate": ("storage", 1, False, None),  # (v): v submits a request to a disk with contents
    "wrote": ("storage", 1, False, None),  # (r): such a write is complete
    "go_on": ("storage", 1, False, None),  # (m): a request of the job of VM m is complete
    "attend": ("storage", 0, False, None),  # a job waits for a row, or a backup is due
    "forget": ("replacement", 1, False, None),  # (page), in no frame, counts as never used
    "tend": ("overcommit", 0, False, None),  # host.tend_at is due
    "noted": ("overcommit", 1, False, None),  # (page << 1 | write): a reference was made
    "loaded": ("overcommit", 2, False, None),  # (f, page): page was brought into f by a fault
    "copied": ("overcommit", 2, False, None),  # (f, source): frame f is a copy
    "leaving": ("overcommit", 1, False, None),  # (f): what is in it is evicted, or cleaned
    "surface": ("overcommit", 2, True, 0),  # (v, page): the guest makes room for a page -> SURFACED
    "part_from": ("overcommit", 1, True, 0),  # (page) leaves those merged with it -> 1: none left
    "discarded": ("overcommit", 1, False, None),  # (page): its VM is stopped
    "freed": ("overcommit", 1, False, None),  # (v): its guest frees the pages of its step
    "out_of_memory": ("overcommit", 1, True, 0),  # (v) -> what becomes of its VM (OOM)
    "hold": ("overcommit", 0, False, None),  # VMs that need a frame are paused
    "translate": ("translation", 2, False, None),  # (v, page << 1 | write): a reference was made
    "place": ("translation", 1, True, -1),  # (page) -> the free frame it should have, -1 any
    "entered": ("translation", 1, False, None),  # (page) was mapped
    "left": ("translation", 1, False, None),  # (page) is about to be unmapped
    "attempt": ("attacks", 1, False, None),  # (v): a tick of v's attack step
    "annoy": ("attacks", 0, False, None),  # at the end of a tick in which somebody made noise
    "regroup": ("cgroups", 0, False, None),  # who wants a pCPU has changed
    "group_ran": ("cgroups", 2, False, None),  # (v, n): v has run n ticks more
    "group_left": ("cgroups", 1, True, 1 << 62),  # (v) -> ticks until its quotas are looked at
    "throttled": ("cgroups", 1, True, 0),  # (v) -> tick until which a quota keeps it, 0: none
    "throttle": ("cgroups", 1, True, 0),  # (v) is throttled -> the same
    "group_room": ("cgroups", 1, False, None),  # (v): a page comes in for it
}
NAMES = list(HOOKS)
ROOM = 64
"""Rows of `hooks` for each pool; what is no scheduler's stands in those of the first one."""
OF_A_PCPU = ("pick", "yields")
"""Schedulers' hooks whose first argument is a pCPU; of the others it is a vCPU."""
PLAIN = (
    *("explain", "facts", "refuse", "refuse_share", "refuse_beyond"),
    *("reserved", "capacity", "refuse_start", "refuse_pool"),
)
"""Functions of a policy that are never compiled: they read the tables for people."""
KINDS = ("schedulers", "replacement", "storage", "overcommit", "translation", "attacks", "cgroups")


def load(kind: str, name: str) -> ModuleType:
    """Return the module of policy `name` of a kind; before a digit its file has an underscore."""
    file = name if name.isidentifier() else f"_{name}"
    return import_module(f"vms.engine.{kind}.{file}")


def functions(
    schedulers: list[str], replacement: str, others: tuple[str, ...] = ()
) -> list[Callable[..., Any] | None]:
    """Return the plain hooks as the table `hooks` has them, a scheduler for each pool.

    Of kinds that are not in `others`, and where there is none, None.
    """
    chosen = {kind: load(kind, "host") for kind in others}
    chosen["replacement"] = load("replacement", replacement)
    found: list[Callable[..., Any] | None] = []
    for name in schedulers:
        chosen["schedulers"] = load("schedulers", name)
        own = [getattr(chosen.get(HOOKS[hook][0]), hook, None) for hook in NAMES]
        found += own + [None] * (ROOM - len(own))
    return found


@inner
def enter(s, k):
    """Let the policy of pool k be in force: its row of `policy`, its clock, its hooks."""
    h = s.host
    if h.pool == k:
        return
    aside = s.policy
    aside.timer_at = h.timer_at
    aside.global_pass = h.global_pass
    aside.draws = h.draws
    h.pool = k
    chosen = s.policy
    h.timer_at = chosen.timer_at
    h.global_pass = chosen.global_pass
    h.draws = chosen.draws


@entry
def enter_first(s):
    """Let the first pool's policy be in force, as it is between two calls of the engine."""
    enter(s, 0)


def entering(name: str) -> str:
    """Return the statement by which a scheduler's hook enters the pool of its first argument."""
    if HOOKS[name][1] == 0:
        return ""
    whose = "s.pcpu[a].pool" if name in OF_A_PCPU else "s.vm[s.vcpu[a].vm].pool"
    return f"    if s.host.pools:\n        enter(s, {whose})\n"


if INTERPRETED:

    def _caller(k, name):
        kind, _, _, default = HOOKS[name]

        def call(s, *args):
            if kind != "schedulers":
                hook = s.hooks[k]
            else:
                if s.host.pools and args:
                    row = s.pcpu[args[0]] if name in OF_A_PCPU else s.vm[s.vcpu[args[0]].vm]
                    enter(s, row.pool)
                hook = s.hooks[k + ROOM * s.host.pool]
            return default if hook is None else hook(s, *args)

        return call

    for _k, _name in enumerate(NAMES):
        globals()[_name] = _caller(_k, _name)

    def use(state: State, kind: str, name: str, pool: int = 0) -> None:
        """Make policy `name` the current one of its kind: nothing to compile."""
        load(kind, name)

    def leave_out(state: State, kind: str) -> None:
        """Use no policy of a kind."""

else:
    import numba
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    from vms.engine.compiled.handle import state_type
    from vms.engine.compiled.linking import WholeCompiler

    def _signature(n_args, number):
        result = types.int64 if number else types.void
        return result(state_type, *[types.int64] * n_args)

    def _call_address(n_args, number):
        """Return an intrinsic call(address, s, ...) for hooks of `n_args` arguments."""
        result = types.int64 if number else types.void
        sig = result(types.int64, state_type, *[types.int64] * n_args)

        def codegen(context, builder, signature, args):
            i64 = ir.IntType(64)
            back = i64 if number else ir.VoidType()
            kind = ir.FunctionType(back, [args[1].type, *[i64] * n_args])
            value = builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
            return value if number else context.get_dummy_value()

        if n_args == 0:

            def call(context, address, s):
                return sig, codegen
        elif n_args == 1:

            def call(context, address, s, a):
                return sig, codegen
        else:

            def call(context, address, s, a, b):
                return sig, codegen

        return intrinsic(call)

    def _hook(k, name):
        kind, n_args, number, default = HOOKS[name]
        args = "".join(", " + a for a in "ab"[:n_args])
        scope = {"call": _call_address(n_args, number), "enter": enter}
        pooled = kind == "schedulers"
        exec(  # the text is made of HOOKS above
            f"def {name}(s{args}):\n"
            f"{entering(name) if pooled else ''}"
            f"    address = s.hooks[{k}{f' + {ROOM} * s.host.pool' if pooled else ''}]\n"
            f"    if address != 0:\n"
            f"        return call(address, s{args})\n"
            f"    return {default}\n",
            scope,
        )
        return inner(scope[name])

    for _k, _name in enumerate(NAMES):
        globals()[_name] = _hook(_k, _name)

    _compiled: dict[tuple[str, str, str], Any] = {}
    """(kind, policy, hook) -> compiled hook: kept alive, and compiled once a process."""

    def _compile(kind, name):
        module = load(kind, name)
        hooks = [hook for hook, entry in HOOKS.items() if entry[0] == kind]
        for own, function in list(vars(module).items()):
            plain = inspect.isfunction(function) and function.__module__ == module.__name__
            if plain and own not in (*hooks, *PLAIN):  # what its hooks call
                setattr(module, own, inner(function))
        for hook, (where, n_args, number, _) in HOOKS.items():
            if where == kind and hasattr(module, hook):
                compiler = numba.cfunc(
                    _signature(n_args, number),
                    cache=True,
                    error_model="numpy",
                    pipeline_class=WholeCompiler,
                )
                _compiled[kind, name, hook] = compiler(getattr(module, hook))
        _compiled[kind, name, ""] = None

    def use(state: State, kind: str, name: str, pool: int = 0) -> None:
        """Make policy `name` the current one of its kind: compile it once, set its addresses."""
        if (kind, name, "") not in _compiled:
            _compile(kind, name)
        for k, hook in enumerate(NAMES):
            if HOOKS[hook][0] == kind:
                function = _compiled.get((kind, name, hook))
                state.hooks[k + ROOM * pool] = 0 if function is None else function.address

    def leave_out(state: State, kind: str) -> None:
        """Use no policy of a kind."""
        for k, hook in enumerate(NAMES):
            if HOOKS[hook][0] == kind:
                state.hooks[k] = 0
