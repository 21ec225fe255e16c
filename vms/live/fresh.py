"""A new run of a lab, from what its rows say now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from vms.engine.machine import Machine, build
from vms.engine.scenario import Scenario
from vms.engine.scenario.limits import Limits
from vms.live import threads


class Store(Protocol):
    """What a run needs of the rows: vms.live.store, or anything like it."""

    async def load(self, lab_id: str) -> tuple[Scenario, Callable[[str], bytes] | None]:
        """Return a lab's scenario and its files."""

    async def limits(self, lab_id: str) -> Limits:
        """Return what a scenario of this lab may hold."""

    async def open_run(self, lab_id: str, machine: Machine, scenario: Scenario) -> int:
        """Write down that a run starts at tick 0; return its id."""

    async def journal(self, run_id: int, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write entries of the journal, or how they went."""

    async def write_back(
        self, lab_id: str, machine: Machine, status: str, run_id: int | None, message: str
    ) -> None:
        """Write what the run has come to into the lab's rows."""


async def fresh_run(lab: str, store: Store, executor: ThreadPoolExecutor) -> tuple[Machine, int]:
    """Return a machine before its first tick, and the id of its run.

    Raises LabGone, or EngineError where the rows make no scenario.
    """
    scenario, files = await store.load(lab)
    limits = await store.limits(lab)
    machine = await threads.in_thread(executor, build, scenario, files, limits)
    return machine, await store.open_run(lab, machine, scenario)
