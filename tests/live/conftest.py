from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.doubles import Clock, MemoryStore, first_steps
from vms.engine.machine import build
from vms.live.run import Run


@pytest.fixture(scope="session")
def executor():
    with ThreadPoolExecutor(1, thread_name_prefix="engine") as pool:
        yield pool


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return MemoryStore(first_steps())


@pytest.fixture
async def run(store, clock, executor):
    """A run of three small VMs at tick 0, paused, shown once."""
    return await started(store, clock, executor)


async def started(store, clock, executor):
    machine = build(store.scenario())
    run_id = await store.open_run("lab", machine, machine.scenario)
    run = Run("lab", machine, store, run_id, clock=clock, executor=executor, opener=store.opened)
    await run.deeds.look()
    await run.show()
    return run
