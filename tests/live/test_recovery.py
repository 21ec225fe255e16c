"""A run that was killed goes on as if nothing had happened: real rows, real machines.

A kill is simulated: the run is dropped, without a word to its keeper. tests/kills.py kills servers.
"""

import asyncio
import random

import pytest

from tests.live.doubles import busy_lab, first_steps
from vms.engine import VERSION
from vms.engine.errors import EngineError
from vms.engine.metrics import result
from vms.founding import found
from vms.live import registry, replay, revival, store
from vms.live.sampler import Sampler
from vms.models import Checkpoint, JournalEntry, Lab
from vms.models import Run as RunRow

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lab(transactional_db):
    return found(document=first_steps())


async def kill(lab):
    """Drop a lab's run as a kill does: nothing more is written of it."""
    key = str(lab.pk), None
    run, task = registry._runs[key], registry._tasks[key]

    async def nothing():
        pass

    run._end = nothing
    if run.keeper._task is not None:
        run.keeper._task.cancel()
    task.cancel()
    await asyncio.wait({task})
    assert registry.peek(lab.pk) is None


async def undisturbed(run):
    """Return the state hash of a run, and that of a replay from the scenario to where it stands."""
    tick, over, hashed = await run.read(
        lambda machine: (machine.now, run.over, replay.state_hash(machine))
    )
    recording = await store.recording(run.run_id)
    bare = replay.Recording(1, recording.scenario, recording.entries, recording.files)
    machine = await asyncio.to_thread(
        replay.machine_at, bare, tick + over, None if over else run.journal.applied
    )
    return hashed, replay.state_hash(machine)


async def step(run, ticks):
    await run.ask({"type": "step", "ticks": ticks})
    await run.rested()


async def test_a_killed_run_is_at_its_last_command_with_it_applied(lab):
    run = await registry.run_for(lab.pk)
    await step(run, 30)
    await run.ask({"type": "set_weight", "vm": "one", "weight": 77})
    hashed, run_id = replay.state_hash(run.machine), run.run_id
    await kill(lab)
    again = await registry.run_for(lab.pk)
    assert (again.tick, again.run_id) == (30, run_id)
    assert replay.state_hash(again.machine) == hashed


async def test_a_run_that_goes_on_shows_what_led_there(lab):
    run = await registry.run_for(lab.pk)
    await step(run, 60)
    await run.ask({"type": "set_weight", "vm": "one", "weight": 77})
    await run.show()
    before = run.slices()
    assert all(before)
    await kill(lab)
    again = await registry.run_for(lab.pk)
    assert again.slices() == before


async def test_ticks_that_a_picture_knows_nothing_of_are_not_told_as_idle(lab):
    run = await registry.run_for(lab.pk)
    await step(run, 60)
    sampler = Sampler(run.machine, str(lab.pk), run.clock)
    sampler.publish(sampler.make({"state": {}}, [], [], resting=True), None)
    assert sampler.picture.documents["state"]["slices_from"] == 60


async def test_outcomes_nobody_wrote_are_found_out_and_written(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "set_weight", "vm": "one", "weight": 77})
    with pytest.raises(ValueError, match="nobody"):
        await run.ask({"type": "stop_vm", "vm": "nobody"})
    await kill(lab)
    await JournalEntry.objects.aupdate(accepted=None, sentence="")
    await registry.run_for(lab.pk)
    outcomes = [
        (entry.accepted, entry.sentence[:14])
        async for entry in JournalEntry.objects.order_by("sequence")
    ]
    assert outcomes[0] == (True, "")
    assert outcomes[1][0] is False
    assert outcomes[1][1].startswith("vm must be one")


@pytest.mark.compiled
@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_between_kills_the_future_is_the_same(transactional_db, seed):
    draw = random.Random(seed)
    lab = await asyncio.to_thread(found, document=busy_lab() | {"seed": seed})
    acknowledged = []
    for _ in range(12):
        run = await registry.run_for(lab.pk)
        recovered, expected = await undisturbed(run)
        assert recovered == expected
        for _ in range(draw.randint(0, 5)):
            await do_something(run, draw, acknowledged)
        if draw.random() < 0.3:
            await registry.stop(lab.pk)
        else:
            await kill(lab)
    entries = JournalEntry.objects.order_by("sequence")
    journaled = iter([entry.command async for entry in entries])
    assert all(any(given == entry for entry in journaled) for given in acknowledged)


async def do_something(run, draw, acknowledged):
    vm = f"vm-{draw.randrange(6)}"
    message = draw.choice(
        [
            {"type": "set_weight", "vm": vm, "weight": draw.randint(1, 999)},
            {"type": "pause_vm", "vm": vm},
            {"type": "resume_vm", "vm": vm},
            {"type": "set_scheduler", "policy": draw.choice(["stride", "round_robin"])},
            {"type": "step", "ticks": draw.randint(1, 400)},
            {"type": "speed", "ticks_per_s": 0},
            {"type": "play"},
            {"type": "pause"},
        ]
    )
    try:
        await run.ask(message)
    except ValueError:
        return
    acknowledged.append(message)
    if draw.random() < 0.3:
        run.keeper._next_s = run.keeper._rests_s = float("-inf")  # something is due at once
        await run.keeper.turn()
        if draw.random() < 0.7:
            await run.keeper.settled()


async def test_a_run_that_was_playing_goes_on_by_itself_after_the_start(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "speed", "ticks_per_s": 321})
    await run.ask({"type": "play"})
    await kill(lab)
    await revival.go_on_all()
    again = registry.peek(lab.pk)
    assert (again.status, again.speed) == ("playing", 321)


@pytest.mark.parametrize(
    "goal",
    [{"type": "run_to", "tick": 10**9}, {"type": "run_to", "condition": "host.switches < 0"}],
    ids=["a tick", "a condition"],
)
async def test_a_run_on_its_way_to_a_goal_goes_on_to_it_after_a_kill(lab, goal):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "speed", "ticks_per_s": 1})
    await run.ask(goal)
    await kill(lab)
    await revival.go_on_all()
    again = registry.peek(lab.pk)
    assert again.status == "playing"
    assert again.goal.text == str(goal.get("tick") or goal["condition"])


async def test_a_run_that_has_come_to_its_goal_rests_after_a_kill(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "run_to", "tick": 50})
    await run.rested()
    await run.ask({"type": "set_weight", "vm": run.machine.scenario.vms[0].name, "weight": 9})
    await kill(lab)
    assert (await RunRow.objects.aget()).playing is False
    again = await registry.run_for(lab.pk)
    assert (again.status, again.tick) == ("paused", 50)


async def test_a_goal_that_is_refused_starts_nothing_after_a_kill(lab):
    run = await registry.run_for(lab.pk)
    with pytest.raises(EngineError):
        await run.ask({"type": "run_to", "tick": 0})
    await kill(lab)
    assert (await registry.run_for(lab.pk)).status == "paused"


async def test_a_run_that_rested_waits_for_its_visitors(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "play"})
    await run.ask({"type": "pause"})
    await kill(lab)
    await revival.go_on_all()
    assert registry.labs() == []
    assert (await registry.run_for(lab.pk)).status == "paused"


async def test_a_server_that_is_stopped_goes_on_with_what_was_playing_too(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "play"})
    await registry.stop_all()
    await revival.go_on_all()
    assert registry.peek(lab.pk).status == "playing"


async def test_a_run_that_was_left_alone_does_not_play_for_ever(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "play"})
    run._unwatched_s = 0
    while tasks := list(registry._tasks.values()):
        await asyncio.wait(tasks)
    assert not (await RunRow.objects.aget()).playing


async def test_of_labs_in_the_trash_or_expired_nothing_goes_on(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "play"})
    await kill(lab)
    await Lab.objects.aupdate(deleted=(await RunRow.objects.aget()).started)
    await revival.go_on_all()
    assert registry.labs() == []


async def test_as_many_go_on_as_may_live(lab, settings):
    for document in (first_steps(name="a"), first_steps(name="b")):
        other = await asyncio.to_thread(found, document=document)
        await (await registry.run_for(other.pk)).ask({"type": "play"})
        await kill(other)
    settings.LIVE_MAX_RUNS = 1
    await revival.go_on_all()
    assert len(registry.labs()) == 1


async def test_one_that_cannot_go_on_holds_up_no_other(lab, monkeypatch):
    other = await asyncio.to_thread(found, document=first_steps(name="other"))
    for each in (lab, other):
        await (await registry.run_for(each.pk)).ask({"type": "play"})
        await kill(each)
    await Lab.objects.filter(pk=lab.pk).aupdate(name="x")
    await RunRow.objects.filter(lab=lab).aupdate(scenario={"vms": "nonsense"})
    monkeypatch.setattr(store, "load", refused)
    await revival.go_on_all()
    assert registry.labs() == [str(other.pk)]


async def refused(lab):
    raise RuntimeError("no more")


async def kept_twice(lab):
    """Let a run be written at two moments, and kill it."""
    run = await registry.run_for(lab.pk)
    for ticks in (40, 60):
        await step(run, ticks)
        await run.keeper.finish()
    hashed = replay.state_hash(run.machine)
    await kill(lab)
    rows = [row async for row in Checkpoint.objects.order_by("tick")]
    assert [row.tick for row in rows] == [40, 100]
    return hashed, rows


@pytest.mark.parametrize("broken", [1, 2])
async def test_checkpoints_that_are_of_no_use_are_passed_over(lab, broken, caplog):
    hashed, rows = await kept_twice(lab)
    for row in rows[-broken:]:
        row.state = row.state[:60] + b"garbage" + row.state[67:]
        await row.asave()
    again = await registry.run_for(lab.pk)
    assert again.tick == 100
    assert replay.state_hash(again.machine) == hashed
    assert caplog.text.count("is of no use") == broken


async def test_checkpoints_of_another_layout_are_not_even_read(lab, caplog):
    hashed, _rows = await kept_twice(lab)
    await Checkpoint.objects.aupdate(layout="other")
    again = await registry.run_for(lab.pk)
    assert (again.tick, replay.state_hash(again.machine)) == (100, hashed)
    assert "of no use" not in caplog.text


async def test_a_run_of_another_engine_that_agrees_opens_with_a_notice(lab):
    hashed, _rows = await kept_twice(lab)
    await RunRow.objects.aupdate(engine_version="0.0.1")
    again = await registry.run_for(lab.pk)
    assert (again.tick, replay.state_hash(again.machine)) == (100, hashed)
    assert again.notice == (
        f"This run was made by engine 0.0.1 and played again by engine {VERSION}: every event up "
        "to tick 100 is the same."
    )
    row = await RunRow.objects.aget()
    assert (row.engine_version, row.note) == (VERSION, again.notice)


async def test_a_run_of_another_engine_that_disagrees_says_which_figures_differ(lab):
    await kept_twice(lab)
    row = await RunRow.objects.aget()
    recording = await store.recording(row.pk)
    found = result(await asyncio.to_thread(replay.machine_at, recording, 100))
    before = found | {"host": found["host"] | {"switches": 123_456}}
    await RunRow.objects.aupdate(
        engine_version="0.0.1", event_hash="0123456789abcdef", result=before
    )
    again = await registry.run_for(lab.pk)
    switches = found["host"]["switches"]
    assert again.notice == (
        f"This run was made by engine 0.0.1 and played again by engine {VERSION}, which does not "
        "agree on the events up to tick 100. What differs: host.switches: 123456 then, "
        f"{switches} now. What you see is what engine {VERSION} makes of it."
    )
    assert again.stage.shown.picture.documents["meta"]["notice"] == again.notice


async def test_figures_of_another_engine_that_were_not_kept_are_said_to_be_unknown(lab):
    await kept_twice(lab)
    await RunRow.objects.aupdate(engine_version="0.0.1", event_hash="0123456789abcdef", result=None)
    again = await registry.run_for(lab.pk)
    assert "Its figures of that tick were not kept." in again.notice


async def test_a_run_that_cannot_be_played_again_stays_and_a_new_one_begins_with_a_notice(lab):
    await kept_twice(lab)
    await Checkpoint.objects.all().adelete()
    await JournalEntry.objects.filter(sequence=1).aupdate(
        command={"type": "stop_vm", "vm": "nobody"}, accepted=True
    )
    again = await registry.run_for(lab.pk)
    assert again.tick == 0
    assert "entry 1 of the journal" in again.notice
    assert await RunRow.objects.filter(lab=lab).acount() == 2


async def test_a_checkpoint_carries_the_ticks_that_no_command_tells_of(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "speed", "ticks_per_s": 0})
    await run.ask({"type": "play"})
    while not await Checkpoint.objects.filter(tick__gt=0).aexists():
        run.keeper._next_s = float("-inf")
        await run.turn()
    newest = await Checkpoint.objects.order_by("tick").alast()
    await kill(lab)
    again = await registry.run_for(lab.pk)
    assert again.tick >= newest.tick > 0
    recovered, expected = await undisturbed(again)
    assert recovered == expected


async def test_a_long_replay_at_the_start_need_not_be_made_twice(lab, monkeypatch):
    run = await registry.run_for(lab.pk)
    await step(run, 30)
    await run.ask({"type": "set_weight", "vm": "one", "weight": 77})
    await kill(lab)
    await Checkpoint.objects.all().adelete()
    monkeypatch.setattr("vms.live.start.GAP_S", 0.0)
    again = await registry.run_for(lab.pk)
    kept = await Checkpoint.objects.aget()
    assert (kept.tick, kept.sequence) == (30, again.journal.applied)
    assert replay.state_hash(replay.load(bytes(kept.state))) == replay.state_hash(again.machine)


@pytest.mark.compiled
async def test_a_replay_that_is_killed_goes_on_from_its_way(lab, monkeypatch):
    run = await registry.run_for(lab.pk)
    await step(run, 3_000)
    await run.ask({"type": "set_weight", "vm": "one", "weight": 77})
    hashed = replay.state_hash(run.machine)
    await kill(lab)
    await Checkpoint.objects.all().adelete()
    monkeypatch.setattr("vms.live.start.Waypoints.EVERY_S", 0.0)
    await registry.run_for(lab.pk)
    ticks = [row.tick async for row in Checkpoint.objects.order_by("tick")]
    assert ticks[-1] == 3_000
    await kill(lab)
    again = await registry.run_for(lab.pk)
    assert replay.state_hash(again.machine) == hashed
