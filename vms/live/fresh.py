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

    async def keep(self, run_id: int, frozen: Frozen, standing: Standing) -> None:
        """Write a checkpoint of a run that goes on."""

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


async def fresh_run(lab: str, store: Store, executor: ThreadPoolExecutor) -> tuple[Machine, int]:
    """Return a machine before its first tick, and the id of its run.

    Raises LabGone, or EngineError where the rows make no scenario.
    """
    scenario, files = await store.load(lab)
    limits = await store.limits(lab)
    machine = await threads.in_thread(executor, build, scenario, files, limits)
    return machine, await store.open_run(lab, machine, scenario)
