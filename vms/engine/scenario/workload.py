"""The workload of a scenario's VM: the steps each of its vCPUs executes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from vms.engine.errors import EngineError
from vms.engine.scenario.fields import (
    Choice,
    FileName,
    Model,
    Name,
    Number,
    Numbers,
    Quantity,
    Repeat,
    listed,
)
from vms.engine.scenario.limits import FAR, LIMITS
from vms.engine.workloads.recorded import RECORDED

Ticks = Annotated[int, Quantity(1, FAR, "ticks")]
PageNumber = Annotated[int, Quantity(0, LIMITS.pages - 1)]
PageCount = Annotated[int, Quantity(1, LIMITS.pages, "pages", "pages")]
RefsPerTick = Annotated[int, Quantity(1, 100_000, "references")]

PageList = Numbers(0, LIMITS.pages - 1, "references", "references")
PercentList = Numbers(0, 100, "percentages", "steps")

PATTERNS = ("sequential", "uniform", "zipf", "working_set")


class Touch(Model):
    """References to pages, made to a pattern."""

    pattern: Annotated[str, Choice(*PATTERNS)] = "sequential"
    first: PageNumber = 0
    """Lowest page touched."""
    pages: Annotated[int | None, Quantity(1, LIMITS.pages, "pages", "pages")] = None
    """Number of pages from `first` on; left out: all the rest of the VM's pages."""
    refs: Annotated[int, Quantity(1, FAR, "references")]
    """References the step makes."""
    refs_per_tick: RefsPerTick = 100
    write: Annotated[float, Number(0, 1)] = 0.0
    """Share of the references that write."""
    alpha: Annotated[float, Number(0, 10)] = 1.0
    """zipf: page of rank r is touched in proportion to 1 / r^alpha."""
    window: Annotated[int | None, Quantity(1, LIMITS.pages, "pages")] = None
    """working_set: pages in use at a time; left out: a tenth of `pages`."""
    move_every: Annotated[int, Quantity(1, FAR, "references")] = 1_000
    """working_set: references after which the window moves to another place."""


class Free(Model):
    """Pages that the guest frees: what is in them is of no use to it any more.  Takes no time."""

    first: PageNumber = 0
    """Lowest page freed."""
    pages: Annotated[int | None, Quantity(1, LIMITS.pages, "pages", "pages")] = None
    """Number of pages from `first` on; left out: all the rest of the VM's pages."""


class Io(Model):
    """Requests to a virtual device, submitted at once; the vCPU waits for the last of them."""

    device: Name | None = None
    """Name of one of the VM's devices; left out: those that are plugged in, in turn."""
    op: Annotated[str, Choice("read", "write")] = "read"
    requests: Annotated[int, Quantity(1, 1_000_000, "requests")] = 1
    kib: Annotated[int, Quantity(1, 1_048_576, "KiB")] = 4
    """Size of each request."""
    pattern: Annotated[str, Choice("sequential", "uniform")] = "sequential"
    """Where on a disk with contents: each request after the last one, or anywhere."""
    every_us: Annotated[int, Quantity(0, 10**7, "µs")] = 0
    """Time between two requests, which then come whatever becomes of them; 0: all at once."""
    arrivals: Annotated[str, Choice("steady", "poisson")] = "steady"
    """Whether `every_us` is the time between any two, or the mean of an exponential one."""


class Replay(Model):
    """Requests that were recorded, made at their times: a trace of a disk."""

    device: Name
    """Name of one of the VM's devices."""
    file: Annotated[str, FileName()]
    """An uploaded trace with time, operation, size and block of each request."""
    speed_percent: Annotated[int, Quantity(1, 100_000, "percent")] = 100
    """How fast: at 200 a second of the trace takes half a second."""
    requests: Annotated[int, Quantity(1, 1_000_000, "requests")] = 1_000_000
    """So many of the first ones, at the most."""


class Send(Model):
    """Packets to another VM at the same switch; the vCPU waits until the switch has them."""

    device: Name
    """Name of one of the VM's devices, whose backend is a switch."""
    to: Name
    """Name of the VM they are for: its first device at that switch gets them."""
    packets: Annotated[int, Quantity(1, 1_000_000, "packets")] = 1
    kib: Annotated[int, Quantity(1, 1_048_576, "KiB")] = 1
    """Size of each packet."""
    every_us: Annotated[int, Quantity(0, 10**7, "µs")] = 0
    """Time between two packets; 0: all at once."""
    arrivals: Annotated[str, Choice("steady", "poisson")] = "steady"
    """Whether `every_us` is the time between any two, or the mean of an exponential one."""


class Receive(Model):
    """The vCPU waits for packets, and takes them."""

    device: Name
    """Name of one of the VM's devices, whose backend is a switch."""
    packets: Annotated[int, Quantity(1, 1_000_000, "packets")] = 1


MEANS = {
    "memory": ("page",),
    "device": ("device",),
    "others_device": (),
    "dma": (),
    "shared_page": ("page",),
    "fork_bomb": ("processes",),
    "dodge_ticks": ("ticks", "period"),
    "ksm_probe": ("page",),
    "cache_noise": ("ticks",),
    "nothing": (),
}
"""What an attack may try, and the keys it takes; `nothing` takes a tick, to compare with."""


class Attack(Model):
    """An attempt at what the host must refuse, or bear; an event says what came of it."""

    means: Annotated[str, Choice(*MEANS)]
    page: PageNumber = 0
    """memory: so many pages beyond the VM's last one; shared_page, ksm_probe: a page of its own."""
    device: Name | None = None
    """device: one of the host's devices."""
    processes: Annotated[int, Quantity(1, 1_000_000, "processes")] = 1_000
    """fork_bomb: processes it tries to make."""
    ticks: Annotated[int, Quantity(1, 1_000_000, "ticks")] = 2_000
    """dodge_ticks, cache_noise: how long it goes on."""
    period: Annotated[int, Quantity(10, 100_000, "ticks")] = 100
    """dodge_ticks: the scheduler's tick, across which it sleeps."""

    @property
    def touches(self) -> bool:
        """Whether it makes page references of its own."""
        return self.means in ("shared_page", "ksm_probe")

    @property
    def steps(self) -> int:
        """Rows of the table of steps it takes."""
        rounds = max(1, self.ticks // self.period)
        return 2 + 2 * rounds if self.means == "dodge_ticks" else 1

    @model_validator(mode="after")
    def _keys_of_means(self) -> Any:
        allowed = ("means", *MEANS[self.means])
        for name in self.model_fields_set:
            if name not in allowed:
                raise EngineError(
                    "{field} is no key of {means}, which takes {allowed}",
                    name,
                    means=self.means,
                    allowed=listed(allowed),
                )
        if self.means == "device" and self.device is None:
            raise EngineError("{field} is required", "device")
        return self


class Trace(Model):
    """References listed one by one, or the load of a processor over time."""

    pages: Annotated[tuple[int, ...] | None, PageList] = None
    """The page of each reference, in order."""
    file: Annotated[str | None, FileName()] = None
    """An uploaded trace: one page number per line, lackey's, or libCacheSim's."""
    recorded: Annotated[str | None, Choice(*RECORDED)] = None
    """A recording of a real program."""
    utilisation: Annotated[tuple[int, ...] | None, PercentList] = None
    """Load in percent of a pCPU, one number for every `every` ticks."""
    every: Annotated[int | None, Quantity(1, 10**9, "ticks")] = None
    """utilisation: ticks each number stands for."""
    refs_per_tick: RefsPerTick = 100
    device: Annotated[Name | None, Field()] = None
    """recorded: the VM's device that the program's pread and pwrite calls go to."""

    @property
    def references_memory(self) -> bool:
        """Whether the step makes page references (utilisation makes none)."""
        return self.utilisation is None

    @model_validator(mode="after")
    def _one_source(self) -> Any:
        one_key(self, ("pages", "file", "recorded", "utilisation"))
        if (self.utilisation is None) != (self.every is None):
            needs = "every" if self.every is None else "utilisation"
            raise EngineError("{field} is required", needs)
        if self.device is not None and self.recorded is None:
            raise EngineError(
                "{field} must be left out unless the trace is a recorded one, got {given}",
                "device",
                given=self.device,
            )
        return self


class Step(Model):
    """One step: a mapping with exactly one key."""

    model_config = {"json_schema_extra": {"minProperties": 1, "maxProperties": 1}}

    compute: Annotated[int | None, Quantity(1, FAR, "ticks")] = None
    """Ticks of pure processor time."""
    touch: Touch | None = None
    io: Io | None = None
    sleep: Annotated[int | None, Quantity(1, FAR, "ticks")] = None
    """Ticks the vCPU is blocked."""
    trace: Trace | None = None
    free: Free | None = None
    spin: Annotated[int | None, Quantity(1, FAR, "ticks")] = None
    """Ticks of a critical section, under a spin lock that all vCPUs of the VM share."""
    attack: Attack | None = None
    replay: Replay | None = None
    send: Send | None = None
    receive: Receive | None = None

    @property
    def kind(self) -> str:
        """compute, touch, io, sleep, trace, free, spin, attack, replay, send or receive."""
        return next(iter(self.model_fields_set))

    @model_validator(mode="after")
    def _one_step(self) -> Any:
        one_key(self, tuple(Step.model_fields))
        return self


class Workload(Model):
    """What each vCPU of a VM executes, independently, over the VM's shared pages."""

    repeat: Annotated[int | str, Repeat()] = 1
    """How many times the steps are executed: a number, or forever."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @property
    def ends(self) -> bool:
        """Whether the workload ends by itself."""
        return self.repeat != "forever"


def one_key(model: Model, names: tuple[str, ...]) -> None:
    """Refuse `model` unless exactly one of `names` was given, and not as null."""
    given = [name for name in names if name in model.model_fields_set]
    if len(given) != 1 or getattr(model, given[0]) is None:
        raise EngineError(
            "{field} must have exactly one of {allowed}, got {given}",
            allowed=listed(names),
            given=listed(given) or "none",
        )
