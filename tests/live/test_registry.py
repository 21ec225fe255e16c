"""Which runs are alive: real rows, real machines."""

import asyncio
import uuid

import pytest

from tests.live.doubles import Browser, first_steps
from vms.engine.errors import EngineError
from vms.founding import found
from vms.live import registry, store
from vms.models import Checkpoint, JournalEntry, Lab, VirtualMachine
from vms.models import Run as RunRow

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lab(transactional_db):
    return found(document=first_steps())


@pytest.fixture
def other(transactional_db):
    return found(document=first_steps(name="Other"))


async def test_a_run_starts_at_rest_at_tick_0(lab):
    run = await registry.run_for(lab.pk)
    assert (run.tick, run.status) == (0, "paused")
    assert run.machine.vm_names == ["one", "two", "three"]
    assert await RunRow.objects.filter(lab=lab).acount() == 1


async def test_it_is_the_same_run_for_everybody(lab):
    first = await registry.run_for(lab.pk)
    assert await registry.run_for(str(lab.pk)) is first
    assert registry.peek(lab.pk) is first
    assert registry.labs() == [str(lab.pk)]


async def test_two_hundred_who_come_at_once_start_one_run(lab, monkeypatch):
    opened = []
    open_run = store.open_run

    async def counted(*args):
        opened.append(1)
        return await open_run(*args)

    monkeypatch.setattr(store, "open_run", counted)
    runs = await asyncio.gather(*(registry.run_for(lab.pk) for _ in range(200)))
    assert len(set(runs)) == 1
    assert opened == [1]


async def test_of_two_labs_each_has_its_own(lab, other):
    runs = [await registry.run_for(each.pk) for each in (lab, other)]
    await runs[0].ask({"type": "step", "ticks": 5})
    assert [run.machine.scenario.name for run in runs] == ["First steps", "Other"]


async def test_somebody_who_does_not_wait_any_longer_does_not_stop_the_start(lab):
    impatient = asyncio.create_task(registry.run_for(lab.pk))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await registry.run_for(lab.pk) is registry.peek(lab.pk)


async def test_a_lab_that_plays_by_itself_plays_at_its_speed(lab):
    await Lab.objects.filter(pk=lab.pk).aupdate(plays=True, speed=123)
    run = await registry.run_for(lab.pk)
    assert (run.status, run.speed) == ("playing", 123)


async def test_there_is_no_run_of_a_lab_that_is_gone():
    with pytest.raises(store.LabGone):
        await registry.run_for(uuid.uuid4())


async def test_a_lab_whose_rows_make_no_scenario_does_not_start_and_may_be_mended(lab):
    rows = VirtualMachine.objects.filter(lab=lab, name="two")
    await rows.aupdate(pages=0)
    for _ in range(2):
        with pytest.raises(EngineError, match="pages"):
            await registry.run_for(lab.pk)
    await rows.aupdate(pages=16)
    assert (await registry.run_for(lab.pk)).tick == 0


async def test_after_a_rest_a_run_goes_on_where_it_was(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "set_weight", "vm": "one", "weight": 77})
    await run.ask({"type": "step", "ticks": 30})
    await halted(run)
    event_hash, run_id = run.machine.event_hash, run.run_id
    await registry.stop(lab.pk)
    assert registry.peek(lab.pk) is None
    again = await registry.run_for(lab.pk)
    assert (again.tick, again.machine.event_hash, again.run_id) == (30, event_hash, run_id)
    assert [row["command"] for row in again.stage.shown.picture.journal] == ["set_weight", "step"]
    await again.ask({"type": "set_weight", "vm": "one", "weight": 78})
    entries = JournalEntry.objects.filter(run_id=run_id).order_by("sequence")
    assert [entry.sequence async for entry in entries] == [1, 2, 3]


async def test_a_lab_that_was_edited_meanwhile_begins_anew(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "step", "ticks": 30})
    await registry.stop(lab.pk)
    await VirtualMachine.objects.filter(lab=lab, name="two").aupdate(weight=999)
    again = await registry.run_for(lab.pk)
    assert again.tick == 0
    assert again.run_id != run.run_id


async def test_a_run_whose_checkpoint_is_of_no_use_is_played_again(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "step", "ticks": 30})
    await halted(run)
    event_hash = run.machine.event_hash
    await registry.stop(lab.pk)
    async for checkpoint in Checkpoint.objects.filter(run_id=run.run_id):
        checkpoint.state = checkpoint.state[:40] + b"garbage"
        await checkpoint.asave()
    again = await registry.run_for(lab.pk)
    assert (again.tick, again.machine.event_hash) == (30, event_hash)


async def test_who_comes_while_a_run_is_written_back_gets_the_next_one(lab, monkeypatch):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "step", "ticks": 9})
    write_rest, writing, held = store.write_rest, asyncio.Event(), asyncio.Event()

    async def slow(*args):
        writing.set()
        await held.wait()
        await write_rest(*args)

    monkeypatch.setattr(store, "write_rest", slow)
    stopping = asyncio.create_task(registry.stop(lab.pk))
    await writing.wait()
    coming = asyncio.create_task(registry.run_for(lab.pk))
    await asyncio.sleep(0)
    assert registry.peek(lab.pk) is None
    held.set()
    again = await coming
    await stopping
    assert again is not run
    assert again.tick == 9


async def test_stopping_all_writes_everything_back(lab, other):
    for each in (lab, other):
        run = await registry.run_for(each.pk)
        await run.ask({"type": "step", "ticks": 12})
    await registry.stop_all()
    assert registry.labs() == []
    assert [row.tick async for row in RunRow.objects.all()] == [12, 12]


async def test_stopping_what_is_not_alive_is_no_error(lab):
    await registry.stop(lab.pk)
    await registry.stop_all()


async def test_an_idle_run_makes_room_for_another(lab, other, settings):
    settings.LIVE_MAX_RUNS = 1
    await registry.run_for(lab.pk)
    await registry.run_for(other.pk)
    assert registry.labs() == [str(other.pk)]


async def test_a_run_at_rest_makes_room_before_one_that_plays_unwatched(lab, other, settings):
    settings.LIVE_MAX_RUNS = 2
    playing = await registry.run_for(lab.pk)
    await playing.ask({"type": "play"})
    await registry.run_for(other.pk)
    third = await asyncio.to_thread(found, document=first_steps())
    await registry.run_for(third.pk)
    assert set(registry.labs()) == {str(lab.pk), str(third.pk)}


async def test_a_run_that_is_watched_makes_no_room(lab, other, settings):
    settings.LIVE_MAX_RUNS = 1
    run = await registry.run_for(lab.pk)
    run.enter(Browser(run).seat)
    with pytest.raises(registry.TooManyRunsError):
        await registry.run_for(other.pk)
    assert registry.labs() == [str(lab.pk)]


async def test_an_idle_run_ends_by_itself_and_is_forgotten(lab, settings):
    settings.LIVE_IDLE_S = 0
    await registry.run_for(lab.pk)
    while tasks := list(registry._tasks.values()):
        await asyncio.wait(tasks)
    assert registry.labs() == []


async def test_another_thread_reads_a_machine_while_it_rests(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "play"})
    ticks = await asyncio.to_thread(registry.wait, run.read(lambda machine: machine.now))
    assert ticks >= 0


async def test_another_thread_can_have_something_done_on_the_loop(lab):
    run = await registry.run_for(lab.pk)
    browser = Browser(run)
    run.enter(browser.seat)
    closed = asyncio.Event()
    browser.seat.close = lambda code, reason: closed.set()
    await asyncio.to_thread(registry.call, run.kick, "u-alice")
    await closed.wait()


async def test_without_a_run_there_is_no_loop_to_call():
    async def nothing():
        return 1

    registry.call(print, "never")
    with pytest.raises(RuntimeError, match="no run is alive"):
        await asyncio.to_thread(registry.wait, nothing())


async def halted(run):
    """Wait until a run has come to rest."""
    done = asyncio.Event()
    if run.status == "playing":
        halt = run.halt
        run.halt = lambda *args: (halt(*args), done.set())
        await done.wait()
