"""Runs as a tree, with real rows: fork, undo, redo, switch, delete; two runs alive at once."""

import asyncio
import threading

import pytest

from tests.live.doubles import Browser, first_steps
from vms.engine.errors import EngineError
from vms.founding import found
from vms.live import registry, store
from vms.live.audience import MOVED, Who
from vms.live.replay import machine_at, state_hash
from vms.models import JournalEntry, Lab
from vms.models import Run as RunRow

pytestmark = pytest.mark.django_db(transaction=True)
ALICE = Who("g1", "alice", "driver")
WEIGHT = {"type": "set_weight", "vm": "one", "weight": 77}


@pytest.fixture
def lab(transactional_db):
    return found(document=first_steps())


@pytest.fixture
async def run(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "step", "ticks": 20}, ALICE)
    await run.rested()
    await run.ask(WEIGHT, ALICE)
    await run.ask({"type": "step", "ticks": 30}, ALICE)
    await run.rested()
    return run


async def rows(lab):
    return {
        row.number: row async for row in RunRow.objects.filter(lab=lab).select_related("parent")
    }


async def current(lab):
    return (await Lab.objects.select_related("current").aget(pk=lab.pk)).current.number


async def test_an_undo_and_a_redo_are_there_after_a_rest(lab, run):
    before = state_hash(run.machine)
    assert await run.ask({"type": "undo"}, ALICE) == {"run": 2}
    assert (run.number, run.tick, await current(lab)) == (2, 20, 2)
    made = (await rows(lab))[2]
    assert (made.origin, made.fork_tick, made.parent.number) == ("undo", 20, 1)
    own = [entry async for entry in JournalEntry.objects.filter(run=made).order_by("sequence")]
    assert [entry.command["type"] for entry in own] == ["step", "undo"]
    await registry.stop(lab.pk)
    again = await registry.run_for(lab.pk)
    assert (again.number, again.tick) == (2, 20)
    assert await again.ask({"type": "redo"}, ALICE) == {"run": 1}
    assert (again.tick, state_hash(again.machine)) == (50, before)
    assert again.deeds.redoable() is None
    assert (await again.ask({"type": "undo"}, ALICE)) == {"run": 2}, "the branch is used again"
    assert len(await rows(lab)) == 2


async def test_a_reset_is_undone_by_going_back(lab, run):
    before = state_hash(run.machine)
    assert await run.ask({"type": "reset"}, ALICE) == {"run": 2}
    assert run.tick == 0
    assert await run.ask({"type": "undo"}, ALICE) == {"run": 1}
    assert state_hash(run.machine) == before
    assert await run.ask({"type": "redo"}, ALICE) == {"run": 2}


async def test_a_fork_is_self_contained(lab, run):
    command = {"type": "set_weight", "vm": "two", "weight": 5}
    fork = {"type": "fork", "tick": 30, "name": "what if", "command": command}
    assert await run.ask(fork, ALICE) == {"run": 2}
    made = (await rows(lab))[2]
    assert (made.name, made.fork_tick, made.fork_sequence, made.tick) == ("what if", 30, 3, 30)
    recording = await store.recording(made.pk)
    assert [entry["command"]["type"] for entry in recording.entries] == [
        "step",
        "set_weight",
        "step",
        "set_weight",
    ]
    of_parent = await store.recording(run.run_id)
    forked, parent, changed = await asyncio.gather(
        asyncio.to_thread(machine_at, recording, 30, 3),
        asyncio.to_thread(machine_at, of_parent, 30),
        asyncio.to_thread(machine_at, recording, 30),
    )
    assert state_hash(forked) == state_hash(parent)
    assert int(changed.state.vcpu[1].weight) == 5
    assert run.number == 1


async def test_two_runs_of_a_lab_live_side_by_side(lab, run):
    await run.ask({"type": "fork", "tick": 10, "until": 45}, ALICE)
    side = await registry.run_for(lab.pk, 2)
    await side.rested()
    assert (side.tick, side.number, run.tick) == (45, 2, 50)
    assert await registry.run_for(lab.pk, 1) is run
    assert set(registry.runs_of(lab.pk)) == {run, side}
    assert registry.labs() == [str(lab.pk)]
    await side.ask({"type": "step", "ticks": 5}, ALICE)
    await side.rested()
    assert await current(lab) == 1
    await registry.stop(lab.pk)
    assert registry.runs_of(lab.pk) == []
    assert [row.tick for row in (await rows(lab)).values()] == [50, 50]
    assert (await Lab.objects.aget(pk=lab.pk)).status == "paused"


async def test_a_run_that_becomes_the_current_one_is_alive_once(lab, run):
    await run.ask({"type": "fork", "tick": 10}, ALICE)
    side = await registry.run_for(lab.pk, 2)
    browser = Browser(side)
    side.enter(browser.seat)
    await side.ask({"type": "step", "ticks": 7}, ALICE)
    await side.rested()
    follower = Browser(run)
    run.enter(follower.seat)
    assert await run.ask({"type": "switch", "run": 2}, ALICE) == {"run": 2}
    assert browser.closed[0] == MOVED
    assert follower.closed is None
    assert (run.number, run.tick) == (2, 17)
    assert await registry.run_for(lab.pk, 2) is run
    assert registry.runs_of(lab.pk) == [run]
    other = await registry.run_for(lab.pk, 1)
    assert (other.number, other.tick) == (1, 50)


async def test_the_tree_is_told_with_names_and_what_is_deleted(lab, run):
    await run.ask({"type": "fork", "tick": 10, "name": "short"}, ALICE)
    await run.ask({"type": "name_run", "run": 1, "name": "base", "note": "as it came"}, ALICE)
    await run.ask({"type": "delete_run", "run": 2}, ALICE)
    first, second = run.deeds.runs
    assert (first["name"], first["note"], first["current"]) == ("base", "as it came", True)
    assert (second["name"], second["parent"], second["deleted"]) == ("short", 1, True)
    await run.ask({"type": "restore_run", "run": 2}, ALICE)
    assert run.deeds.runs[1]["deleted"] is False
    with pytest.raises(EngineError, match="current one"):
        await run.ask({"type": "delete_run", "run": 1}, ALICE)


async def test_a_deleted_run_that_is_alive_is_stopped(lab, run):
    await run.ask({"type": "fork", "tick": 10}, ALICE)
    side = await registry.run_for(lab.pk, 2)
    browser = Browser(side)
    side.enter(browser.seat)
    await run.ask({"type": "delete_run", "run": 2}, ALICE)
    assert browser.closed[0] == MOVED
    assert registry.runs_of(lab.pk) == [run]


async def test_only_so_many_runs_are_kept_in_sight(lab, run, settings):
    settings.LIVE_MAX_BRANCHES = 2
    await run.ask({"type": "fork", "tick": 10}, ALICE)
    with pytest.raises(EngineError, match="at most 2 runs, and this one has 2"):
        await run.ask({"type": "fork", "tick": 10}, ALICE)
    await run.ask({"type": "delete_run", "run": 2}, ALICE)
    assert await run.ask({"type": "fork", "tick": 10}, ALICE) == {"run": 3}


async def test_a_run_that_there_is_not_is_refused(lab, run):
    for number in (7, 10**6):
        with pytest.raises(EngineError, match="no such run"):
            await registry.run_for(lab.pk, number)


async def test_a_result_of_the_past_is_read_beside_the_run(lab, run):
    from vms.engine.metrics import result

    for number in (None, 1):
        found = await registry.read_at(lab.pk, number, 25, None, result)
        assert found["ticks"] == 25
    with pytest.raises(EngineError, match=r"tick must be 0\.\.50, got 51"):
        await registry.read_at(lab.pk, 1, 51, None, result)


async def test_reads_of_the_past_are_limited(lab, run, settings):
    settings.LIVE_MAX_PASTS = 1
    begun, go, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def slow(machine):
        loop.call_soon_threadsafe(begun.set)
        go.wait(30)
        return machine.now

    first = asyncio.create_task(registry.read_at(lab.pk, 1, 25, None, slow))
    await begun.wait()
    with pytest.raises(EngineError, match="ask again in a moment"):
        await registry.read_at(lab.pk, 1, 26, None, slow)
    go.set()
    assert await first == 25
    assert await registry.read_at(lab.pk, 1, 26, None, slow) == 26
