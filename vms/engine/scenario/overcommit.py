"""Memory that is promised twice: what the host does about it, and what its guests know."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vms.engine.scenario.fields import Bool, Choice, Model, Name, Quantity
from vms.engine.scenario.limits import FAR, LIMITS
from vms.engine.scenario.workload import PageCount, PageNumber

OOM = ("kill", "pause", "refuse")
Every = Annotated[int, Quantity(0, FAR, "ticks")]
Target = Annotated[int, Quantity(0, LIMITS.pages, "pages")]


class Overcommit(Model):
    """What the host does with memory that it has promised more than once."""

    oom: Annotated[str, Choice(*OOM)] = "kill"
    """What becomes of a VM that needs a frame when there is none and no swap: it is stopped, or
    paused, or the reference is refused and its guest goes on without."""
    ksm_scan: Annotated[int, Quantity(0, 1_000_000, "pages")] = 0
    """Pages KSM looks at each time; 0: it is off."""
    ksm_every: Annotated[int, Quantity(1, FAR, "ticks")] = 200
    """Ticks between two times (Linux: 20 ms)."""
    balloon_auto: Bool = False
    """Whether the host sets the targets of balloons: by shares, with a tax on idle memory."""
    balloon_every: Annotated[int, Quantity(1, FAR, "ticks")] = 10
    """Ticks between two moves of balloons, and of reports of free pages."""
    balloon_pages: Annotated[int, Quantity(1, 1_000_000, "pages")] = 16
    """Pages a balloon moves, or a guest reports, each time."""
    idle_tax: Annotated[int, Quantity(0, 99, "percent")] = 75
    """How much of an idle page's worth is taxed away: 0 counts it as much as one in use."""
    free_percent: Annotated[int, Quantity(0, 100, "percent")] = 6
    """auto: frames to be kept free; at twice as many, balloons are let go of again."""
    sample_every: Every = 0
    """Ticks between two estimates of working sets; 0: none are made."""
    sample_pages: Annotated[int, Quantity(1, 10_000, "pages")] = 100
    """Pages of each VM that are watched for an estimate."""


class Content(Model):
    """Pages that hold the same in every VM that names it, until they are written."""

    name: Name
    first: PageNumber = 0
    """The VM's page at which it begins."""
    pages: PageCount
    """How many pages of it the VM has, from the content's first one."""


Contents = Annotated[tuple[Content, ...], Field(max_length=256)]
