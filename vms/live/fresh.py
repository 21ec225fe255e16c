"""A new run of a lab, from what its rows say now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from vms.engine.checkpoint import Frozen
from vms.engine.machine import Machine, build
from vms.engine.scenario import Scenario
from vms.engine.scenario.limits import Limits
from vms.live import threads
from vms.live.replay import Recording
from vms.live.store.keeping import Remains, Standing


class Store(Protocol):
    """What a run needs of the rows: vms.live.store, or anything like it."""

    async def load(self, lab_id: str) -> tuple[Scenario, Callable[[str], bytes] | None]:
        """Return a lab's scenario and its files."""

    async def limits(self, lab_id: str) -> Limits:
        """Return what a scenario of this lab may hold."""

    async def open_run(self, lab_id: str, machine: Machine, scenario: Scenario) -> int:
        """Write down that a run starts at tick 0; return its id."""

    async def journal(
        self,
        run_id: int,
        entries: Sequence[Mapping[str, Any]],
        marks: Mapping[str, Any] | None = None,
    ) -> None:
        """Write entries of the journal, or how they went, and columns of the run's row."""

    async def keep(self, run_id: int, frozen: Frozen, standing: Standing) -> float:
        """Write a checkpoint of a run that goes on; return the seconds of a processor it cost."""

    async def write_rest(
        self,
        lab_id: str,
        run_id: int | None,
        remains: Remains,
        standing: Standing,
        status: str,
        message: str,
    ) -> None:
        """Write what a run at rest has come to into the rows of its lab."""

    async def recording(self, run_id: int) -> Recording:
        """Return all that a run is: what it started from and what was asked of it."""

    async def tree(self, lab_id: str) -> list[dict[str, Any]]:
        """Return the lab's runs by number, as the page is told them."""

    async def numbered(self, lab_id: str, number: int | None) -> tuple[int, int]:
        """Return (id, number) of a run, of the current one for None; EngineError for none."""

    async def checkpoint_ticks(self, run_id: int) -> list[int]:
        """Return the ticks at which a look back at a run is quick."""

    async def branch(
        self,
        run_id: int,
        tick: int,
        sequence: int | None,
        *,
        origin: str,
        name: str = "",
        who: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> tuple[int, int]:
        """Make a run that is another one up to a moment; return its id and number."""

    async def unused_branch(self, run_id: int, sequence: int) -> tuple[int, int] | None:
        """Return a branch that an undo made there, if nobody went on with it."""

    async def choose(self, run_id: int) -> None:
        """Make a run its lab's current one."""

    async def name_run(self, lab_id: str, number: int, name: str, note: str) -> None:
        """Give a run a name and a note."""

    async def delete_run(self, lab_id: str, number: int) -> None:
        """Put a run out of sight."""

    async def restore_run(self, lab_id: str, number: int) -> None:
        """Bring a deleted run back."""


async def fresh_run(lab: str, store: Store, executor: ThreadPoolExecutor) -> tuple[Machine, int]:
    """Return a machine before its first tick, and the id of its run.

    Raises LabGone, or EngineError where the rows make no scenario.
    """
    scenario, files = await store.load(lab)
    limits = await store.limits(lab)
    machine = await threads.in_thread(executor, build, scenario, files, limits)
    return machine, await store.open_run(lab, machine, scenario)
