"""The table of steps: a VM's workload as plain records for the kernel's tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vms.engine.errors import EngineError
from vms.engine.scenario.fields import beyond
from vms.engine.scenario.limits import LIMITS, Limits
from vms.engine.tables import AT_ONCE, MEANS, POISSON, RECEIVE, RECORDED, SEND, STEADY
from vms.engine.workloads import calls, traces
from vms.engine.workloads.patterns import PATTERN_ROWS, PLACED

if TYPE_CHECKING:
    from vms.engine.scenario.vm import VM
    from vms.engine.scenario.workload import Attack, Io, Receive, Send, Step, Touch, Trace

COMPUTE, TOUCH, IO, SLEEP, TRACE, FREE, SPIN, ATTACK = range(8)
KINDS = ("compute", "touch", "io", "sleep", "trace", "free", "spin", "attack")
FOREVER = 0
DODGE_PERCENT = 85
"""Of the scheduler's period that a thief runs; it sleeps across the tick at its end."""


@dataclass(frozen=True, eq=False)
class StepRecord:
    """One step for the kernel.  All numbers are int; what does not apply is 0 or None.

    `n` is the length: ticks (compute, sleep, spin), references (touch, trace), requests (io), 0
    (free).
    """

    kind: int
    n: int
    refs_per_tick: int = 0
    # touch
    pattern: int = 0  # of an io step as well
    first: int = 0
    pages: int = 0
    write: int = 0  # a reference writes ⇔ its draw < write; floor(share · 2^32)
    alpha: float = 0.0  # zipf: take patterns.zipf_table(pages, alpha)
    window: int = 0
    move_every: int = 0
    # io; `first` is where on the disk, in KiB, if the pattern is PLACED
    device: int = -1  # position among the VM's devices
    kib: int = 0
    op: int = 0  # READ …
    to: str = ""  # send: the VM that packets are for
    arrivals: int = AT_ONCE
    every_ns: int = 0
    calls: calls.Calls | None = None  # replay: its requests
    target: str = ""  # attack: name of a device of the host
    # trace
    trace: traces.References | None = None  # int32 [n], page << 1 | write; may be read-only


def repetitions(vm: VM) -> int:
    """Return how often the workload is executed; FOREVER (0) where it does not end."""
    repeat = vm.workload.repeat
    return repeat if isinstance(repeat, int) else FOREVER


def compile_workload(
    vm: VM, files: traces.Files | None = None, path: str = "workload", limits: Limits = LIMITS
) -> list[StepRecord]:
    """Return the steps of `vm` in order, as the kernel executes them; `repetitions(vm)` times.

    Every vCPU of the VM executes all of them.  `trace: {utilisation}` becomes compute and sleep
    steps; neighbouring compute (or sleep) steps of one such trace are one.  VMs of one `count`
    share one workload (`vm.workload is other.workload`): compile it once for all of them.

    `files(name)` gives the content of an uploaded trace.  Raises EngineError (path in `field`)
    for a file that is missing or malformed, or names a page the VM does not have.
    """
    records = []
    left = limits.references
    for index, step in enumerate(vm.workload.steps):
        for record in _records(vm, step, files, f"{path}.steps[{index}]", left):
            records.append(record)
            left -= len(record.trace) if record.trace is not None else 0
    return records


def _records(
    vm: VM, step: Step, files: traces.Files | None, path: str, most: int
) -> Iterator[StepRecord]:
    for kind, ticks in ((COMPUTE, step.compute), (SLEEP, step.sleep), (SPIN, step.spin)):
        if ticks is not None:
            yield StepRecord(kind, ticks)
    if step.touch:
        yield _touch(vm, step.touch)
    elif step.attack:
        yield from _attack(step.attack)
    elif step.io or step.send or step.receive or step.replay:
        yield _requests(vm, step, files, path)
    elif step.free:
        first, pages = step.free.first, step.free.pages or vm.pages - step.free.first
        yield StepRecord(FREE, 0, 1, first=first, pages=pages)
    elif step.trace and step.trace.utilisation is not None:
        yield from _load(step.trace.utilisation, step.trace.every or 1)
    elif step.trace:
        references = reference_string(step.trace, files, f"{path}.trace", most)
        highest = int(references.max()) >> 1
        if highest >= vm.pages:
            raise beyond(f"{path}.trace", highest, vm.pages)
        whole = StepRecord(TRACE, len(references), step.trace.refs_per_tick, trace=references)
        yield from _with_requests(vm, step.trace, whole)


def _with_requests(vm: VM, trace: Trace, whole: StepRecord) -> Iterator[StepRecord]:
    """Yield a trace in pieces, between them the requests of a recorded program, one at a time."""
    if trace.device is None or trace.recorded is None or whole.trace is None:
        yield whole
        return
    done = 0
    for call in traces.requests(trace.recorded):
        if call.at > done:
            piece = whole.trace[done : call.at]
            yield replace(whole, n=len(piece), trace=piece)
            done = call.at
        yield StepRecord(
            IO,
            1,
            pattern=PLACED,
            first=call.first_kib,
            device=vm.device_row(trace.device),
            kib=call.kib,
            op=call.op,
        )
    if done < whole.n:
        piece = whole.trace[done:]
        yield replace(whole, n=len(piece), trace=piece)


def _attack(attack: Attack) -> Iterator[StepRecord]:
    """Yield an attempt; a thief's are bursts between ticks of the scheduler, watched and judged."""
    means = MEANS.index(attack.means)
    if attack.means != "dodge_ticks":
        ticks = attack.ticks if attack.means == "cache_noise" else 1
        yield StepRecord(
            ATTACK,
            ticks,
            1,
            pattern=means,
            first=attack.page,
            window=attack.processes,
            target=attack.device or "",
        )
        return
    yield StepRecord(ATTACK, 1, 1, pattern=MEANS.index("watch"))
    busy = max(1, attack.period * DODGE_PERCENT // 100)
    for _ in range(max(1, attack.ticks // attack.period)):
        yield StepRecord(COMPUTE, busy)
        yield StepRecord(SLEEP, attack.period - busy)
    yield StepRecord(ATTACK, 1, 1, pattern=means)


def _touch(vm: VM, touch: Touch) -> StepRecord:
    pages = touch.pages or vm.pages - touch.first
    return StepRecord(
        TOUCH,
        touch.refs,
        touch.refs_per_tick,
        pattern=PATTERN_ROWS[touch.pattern],
        first=touch.first,
        pages=pages,
        write=int(touch.write * 2**32),
        alpha=touch.alpha,
        window=touch.window or max(1, pages // 10),
        move_every=touch.move_every,
    )


def _io(vm: VM, io: Io) -> StepRecord:
    write = int(io.op == "write")
    return StepRecord(
        IO,
        io.requests,
        pattern=PATTERN_ROWS[io.pattern],
        device=-1 if io.device is None else vm.device_row(io.device),
        kib=io.kib,
        op=write,
        arrivals=_arrivals(io),
        every_ns=io.every_us * 1_000,
    )


def _requests(vm: VM, step: Step, files: traces.Files | None, path: str) -> StepRecord:
    """Return a step that uses a device."""
    if step.io:
        return _io(vm, step.io)
    if step.replay is None:
        return _packets(vm, step.send, step.receive)
    found = calls.requests_of(step.replay, files, f"{path}.replay")
    row = vm.device_row(step.replay.device)
    return StepRecord(IO, len(found), device=row, kib=1, arrivals=RECORDED, calls=found)


def _arrivals(step: Io | Send) -> int:
    if step.every_us == 0:
        return AT_ONCE
    return POISSON if step.arrivals == "poisson" else STEADY


def _packets(vm: VM, send: Send | None, receive: Receive | None) -> StepRecord:
    """Return a step that sends packets, or one that waits for some."""
    if send is None:
        assert receive
        return StepRecord(IO, receive.packets, device=vm.device_row(receive.device), op=RECEIVE)
    return StepRecord(
        IO,
        send.packets,
        device=vm.device_row(send.device),
        kib=send.kib,
        op=SEND,
        to=send.to,
        arrivals=_arrivals(send),
        every_ns=send.every_us * 1_000,
    )


def _load(percentages: tuple[int, ...], every: int) -> Iterator[StepRecord]:
    """Yield a processor's load as compute and sleep; fractions of a tick are carried over."""
    runs = itertools.chain.from_iterable(_busy_and_idle(percentages, every))
    for _, run in itertools.groupby(runs, key=lambda record: record.kind):
        records = list(run)
        yield replace(records[0], n=sum(record.n for record in records))


def _busy_and_idle(percentages: tuple[int, ...], every: int) -> Iterator[list[StepRecord]]:
    hundredths = 0
    for percent in percentages:
        before = hundredths // 100
        hundredths += percent * every
        busy = hundredths // 100 - before
        both = StepRecord(COMPUTE, busy), StepRecord(SLEEP, every - busy)
        yield [record for record in both if record.n]


def reference_string(
    trace: Trace,
    files: traces.Files | None = None,
    path: str = "trace",
    most: int = LIMITS.references,
) -> traces.References:
    """Return the references of a trace step: int32 [n], page << 1 | write, in order.

    Raises EngineError where the file is missing or malformed.
    """
    if trace.pages is not None:
        return traces.listed(trace.pages)
    if trace.recorded is not None:
        return traces.recorded(trace.recorded)
    name = trace.file or ""
    try:
        content = files(name) if files else None
    except (OSError, KeyError):
        content = None
    if content is None:
        raise EngineError(
            "{field} must name a page trace that is there, got {given}", f"{path}.file", given=name
        )
    try:
        return traces.uploaded(name, content, most)
    except EngineError as error:
        raise EngineError(error.template, f"{path}.file", **error.values) from None
