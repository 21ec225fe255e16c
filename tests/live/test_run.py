"""A run with a real machine, a clock that the test moves, and a store in memory."""

import asyncio
import itertools

import pytest

from tests.live.conftest import started
from tests.live.doubles import Browser, MemoryStore, busy_lab, first_steps
from vms.engine.errors import EngineError
from vms.engine.machine import build
from vms.engine.scenario import Scenario
from vms.engine.tick import advance
from vms.live.audience import KICKED, RENEWED, Who
from vms.live.run import Run
from vms.live.stage import Stage
from vms.live.stepper import Stepped

ALICE = Who("u1", "alice", "driver")


async def ask(run, who=ALICE, /, **message):
    """Ask, take the turn in which it is answered, and return the refusal, None for none."""
    task = asyncio.create_task(run.ask(message, who))
    await asyncio.sleep(0)
    if not task.done():
        await run.turn()
    try:
        await task
    except EngineError as refusal:
        return refusal
    return None


async def step(run, ticks):
    await ask(run, type="step", ticks=ticks)
    while run.status == "playing":
        await run.turn()


async def arrive(run, name="alice", role="driver"):
    browser = Browser(run, name, role)
    run.enter(browser.seat)
    await run.turn()
    await browser.drain()
    return browser


async def play_for(run, clock, seconds, browser=None, step=0.05):
    for _ in range(round(seconds / step)):
        clock.now += step
        while await run.turn() == 0:
            pass
        if browser:
            await browser.drain()


# --- pace ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "ticks"), [(1, 2), (20, 40), (1_000, 2_000), (5_000, 10_000)])
async def test_it_plays_as_fast_as_it_is_asked_to(run, clock, speed, ticks):
    await ask(run, type="speed", ticks_per_s=speed)
    await ask(run, type="play")
    await play_for(run, clock, 2)
    assert run.tick == ticks


async def test_it_does_not_move_before_it_is_told_to_play(run, clock):
    await play_for(run, clock, 1)
    assert (run.tick, run.status) == (0, "paused")


async def test_paused_it_stays_where_it_is(run, clock):
    await ask(run, type="play")
    await play_for(run, clock, 0.5)
    await ask(run, type="pause")
    tick = run.tick
    await play_for(run, clock, 2)
    assert (run.tick, run.status) == (tick, "paused")
    assert tick == 100


async def test_after_a_pause_the_time_in_between_is_not_made_up_for(run, clock):
    await ask(run, type="play")
    await ask(run, type="pause")
    clock.now += 60
    await ask(run, type="play")
    await play_for(run, clock, 0.1)
    assert run.tick == 20


async def test_flat_out_every_turn_advances(run):
    await ask(run, type="speed", ticks_per_s=0)
    await ask(run, type="play")
    ticks = []
    for _ in range(5):
        assert await run.turn() == 0
        ticks.append(run.tick)
    assert ticks == sorted(set(ticks))


async def test_a_machine_that_is_too_slow_says_by_how_much_it_is_behind(run, clock, monkeypatch):
    browser = await arrive(run)
    monkeypatch.setattr(
        "vms.live.run.step",
        lambda machine, encoder, ticks, timer: Stepped(advance(machine, 1), 0, 0.01),
    )
    await ask(run, type="speed", ticks_per_s=100)
    await ask(run, type="play")
    for _ in range(40):
        clock.now += 0.05
        await run.turn()
    await browser.drain()
    assert 900 <= browser.state["behind_ms"] <= 1_000
    assert browser.state["rate"] == pytest.approx(20, abs=1)


async def test_a_step_is_as_many_ticks_as_it_says(run):
    await ask(run, type="step", ticks=7)
    assert (run.tick, run.status) == (7, "paused")


async def test_a_step_of_one_tick_needs_no_number(run):
    await ask(run, type="step")
    assert run.tick == 1


async def test_a_long_step_is_made_in_chunks_and_can_be_paused(run):
    await ask(run, type="step", ticks=1_000_000_000)
    assert run.status == "playing"
    await run.turn()
    await ask(run, type="pause")
    assert 0 < run.tick < 1_000_000_000
    assert run.status == "paused"


async def test_next_event_stops_at_the_tick_in_which_something_was_logged(run):
    plain = build(run.machine.scenario)
    while not len(plain.drain()):
        advance(plain, 1)
    await ask(run, type="next_event")
    while run.status == "playing":
        await run.turn()
    assert run.tick == plain.now
    assert run.status == "paused"


async def test_a_machine_whose_workloads_have_ended_says_so(clock, executor):
    data = first_steps()
    for vm in data["vms"]:
        vm["workload"] = {"repeat": 1, "steps": [{"compute": 5}]}
    run = await started(MemoryStore(data), clock, executor)
    browser = await arrive(run)
    await ask(run, type="speed", ticks_per_s=0)
    await ask(run, type="play")
    clock.now += 0.1
    await run.turn()
    await browser.drain()
    assert (run.status, browser.state["status"], run.tick) == ("ended", "ended", 15)
    refusal = await ask(run, type="play")
    assert str(refusal) == "the run was over at tick 15, reset it first"


async def test_a_vm_that_is_started_after_the_end_lets_the_run_go_on(clock, executor):
    data = first_steps()
    for vm in data["vms"]:
        vm["workload"] = {"repeat": 1, "steps": [{"compute": 5}]}
    run = await started(MemoryStore(data), clock, executor)
    await step(run, 100)
    assert run.status == "ended"
    assert await ask(run, type="add_vm", vm={**first_steps()["vms"][0], "name": "late"}) is None
    assert run.status == "paused"
    await step(run, 10)
    assert run.tick == 25


# --- equal to headless --------------------------------------------------------------------------


@pytest.mark.compiled
@pytest.mark.parametrize("data", [first_steps(), busy_lab()], ids=["first steps", "busy"])
async def test_however_it_is_played_its_events_are_those_of_a_headless_run(data, clock, executor):
    run = await started(MemoryStore(data), clock, executor)
    await arrive(run)
    await ask(run, type="play")
    await play_for(run, clock, 0.35)
    await ask(run, type="speed", ticks_per_s=777)
    await play_for(run, clock, 0.55)
    await ask(run, type="pause")
    await ask(run, type="next_event")
    await ask(run, type="step", ticks=3)
    await ask(run, type="speed", ticks_per_s=0)
    await ask(run, type="play")
    for _ in range(6):
        await run.turn()
    await ask(run, type="pause")
    headless = build(Scenario.parse(data))
    while headless.now < run.tick:
        advance(headless, run.tick - headless.now)
        headless.drain()
    assert run.tick > 600
    assert run.machine.event_hash == headless.event_hash


async def test_its_result_is_that_of_a_headless_run(run):
    await step(run, 500)
    found = await run.result()
    assert found["ticks"] == 500
    assert found["event_hash"] == run.machine.event_hash


# --- commands -----------------------------------------------------------------------------------


async def test_a_command_is_in_the_journal_before_it_is_applied(run, store, monkeypatch):
    seen = []
    journal = store.journal

    async def watched(run_id, entries, marks):
        await journal(run_id, entries, marks)
        seen.append((entries[0]["accepted"], int(run.machine.state.host[0].time_slice)))

    monkeypatch.setattr(run.journal, "_write", watched)
    assert await ask(run, type="set_time_slice", ticks=9) is None
    await run.journal.flush()
    assert seen == [(None, 2), (True, 9)]


async def test_a_command_without_journal_is_not_applied(run, store):
    store.broken = True
    refusal = await ask(run, type="set_time_slice", ticks=9)
    assert "it was not done: the disk of the server is full" in str(refusal)
    assert int(run.machine.state.host[0].time_slice) == 2


async def test_a_refused_command_names_its_field_and_changes_nothing(run, store):
    hash_before = run.machine.event_hash
    refusal = await ask(run, type="set_time_slice", ticks=-3)
    assert (refusal.field, str(refusal)) == ("ticks", "ticks must be 1..100000 ticks, got -3")
    assert run.machine.event_hash == hash_before
    assert int(run.machine.state.host[0].time_slice) == 2


async def test_a_command_refused_by_the_machine_is_in_the_journal_as_refused(run, store):
    refusal = await ask(run, type="stop_vm", vm="nobody")
    assert refusal.field == "vm"
    await run.journal.flush()
    (entry,) = store.entries[1].values()
    assert entry["accepted"] is False
    assert entry["sentence"] == str(refusal)


async def test_only_what_is_known_can_be_asked_for(run):
    refusal = await ask(run, type="explode")
    assert refusal.field == "type"
    assert "set_time_slice" in str(refusal)
    assert "unplug_pcpu" in str(refusal)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"type": "speed", "ticks_per_s": -1}, "ticks_per_s"),
        ({"type": "speed", "ticks_per_s": "fast"}, "ticks_per_s"),
        ({"type": "speed"}, "ticks_per_s"),
        ({"type": "step", "ticks": 0}, "ticks"),
        ({"type": "step", "ticks": 1.5}, "ticks"),
        ({"type": "play", "now": True}, "now"),
        ({"type": ["play"]}, "type"),
        ({}, "type"),
    ],
)
async def test_a_control_is_checked_like_a_command(run, message, field):
    assert (await ask(run, **message)).field == field


async def test_commands_are_applied_in_the_order_in_which_they_came(run):
    asked = [
        asyncio.create_task(run.ask({"type": "set_time_slice", "ticks": ticks}))
        for ticks in (5, 9, 4)
    ]
    await asyncio.sleep(0)
    await run.turn()
    await asyncio.gather(*asked)
    assert int(run.machine.state.host[0].time_slice) == 4


async def test_a_change_is_in_the_next_sample_of_everybody(run, clock):
    browsers = [await arrive(run, name) for name in ("alice", "bob")]
    clock.now += 1
    await ask(run, type="set_weight", vm="two", weight=999)
    for browser in browsers:
        await browser.drain()
        assert browser.picture.documents["meta"]["vms"][1]["weight"] == 999
        assert browser.picture.tables["vcpu"]["weight"].tolist() == [256, 999, 256]
        (row,) = browser.picture.journal
        assert (row["user"], row["command"], row["arguments"]) == (
            "alice",
            "set_weight",
            {"vm": "two", "weight": 999},
        )


async def test_a_command_leaves_an_event_with_its_number_in_the_journal(run, clock):
    browser = await arrive(run)
    await ask(run, type="step", ticks=5)
    clock.now += 1
    await ask(run, type="set_time_slice", ticks=9)
    await ask(run, type="step", ticks=1)
    clock.now += 1
    await run.turn()
    await browser.drain()
    names = browser.picture.documents["meta"]["events"]
    events = browser.picture.tables["events"]
    commands = events["kind"] == names.index("command")
    assert events["a"][commands].tolist() == [2]
    assert events["tick"][commands].tolist() == [5]


# --- crash --------------------------------------------------------------------------------------


@pytest.fixture
def breaking(monkeypatch):
    def broken(*args):
        raise IndexError("no such row in table 'vcpu'")

    monkeypatch.setattr("vms.live.run.step", broken)


async def test_a_bug_in_the_engine_stops_the_run_and_tells_its_viewers(run, clock, breaking):
    browser = await arrive(run)
    await ask(run, type="play")
    await play_for(run, clock, 0.2, browser)
    assert run.status == "crashed"
    assert browser.state["status"] == "crashed"
    assert browser.state["message"] == "The engine broke at tick 0: no such row in table 'vcpu'"


async def test_another_run_goes_on_when_one_breaks(run, store, clock, executor, monkeypatch):
    other = await started(MemoryStore(first_steps()), clock, executor)
    for each in (run, other):
        await ask(each, type="play")
    monkeypatch.setattr(run, "machine", None)
    clock.now += 0.1
    with pytest.raises(AttributeError):
        await run.turn()
    await other.turn()
    assert other.tick == 20


async def test_a_broken_run_takes_no_command_but_reset(run, clock, breaking, monkeypatch):
    await ask(run, type="play")
    await play_for(run, clock, 0.1)
    for message in ({"type": "play"}, {"type": "step"}, {"type": "set_time_slice", "ticks": 3}):
        assert str(await ask(run, **message)) == "the run is broken, only a reset helps"
    assert await ask(run, type="reset") is None
    assert (run.status, run.message, run.tick) == ("paused", "", 0)


async def test_a_command_that_breaks_the_machine_is_refused_and_stops_the_run(run, monkeypatch):
    def broken(self, machine):
        raise ZeroDivisionError("bug")

    monkeypatch.setattr("vms.engine.commands.SetWeight.change", broken)
    refusal = await ask(run, type="set_weight", vm="one", weight=3)
    assert "bug" in str(refusal)
    assert run.status == "crashed"


# --- reset --------------------------------------------------------------------------------------


async def test_a_reset_begins_a_new_run_of_the_scenario_as_it_is_now(run, store, clock):
    browser = await arrive(run)
    await step(run, 50)
    store.data = first_steps(name="Edited")
    clock.now += 1
    assert await ask(run, type="reset") is None
    await browser.drain()
    assert (run.tick, run.run_id, run.status) == (0, 2, "paused")
    assert browser.picture.documents["meta"]["name"] == "Edited"
    assert browser.state["tick"] == 0
    assert browser.gaps == 0
    assert len(browser.picture.tables["slices"]["from"]) == 0
    assert [row["command"] for row in browser.picture.journal] == ["reset"]


async def test_a_reset_to_a_scenario_that_is_no_good_is_refused_and_changes_nothing(run, store):
    await step(run, 50)
    store.data = first_steps(host={"pcpus": 0})
    refusal = await ask(run, type="reset")
    assert refusal.field == "host.pcpus"
    assert run.tick == 50


async def test_after_a_reset_the_run_is_the_same_again(run):
    await step(run, 300)
    before = run.machine.event_hash
    await ask(run, type="reset")
    await step(run, 300)
    assert run.machine.event_hash == before


async def test_a_reset_to_fewer_vms_lets_go_of_the_pages_of_one_that_is_gone(run, store, clock):
    browser = await arrive(run)
    run.watch(browser.seat, 2)
    run.want_heat(browser.seat, True)
    clock.now += 1
    await run.turn()
    await browser.drain()
    store.data = first_steps()
    store.data["vms"] = store.data["vms"][:1]
    clock.now += 1
    await ask(run, type="reset")
    await browser.drain()
    assert browser.seat.vm is None
    assert browser.seat.heat
    assert len(browser.picture.tables["vm"]["power"]) == 1


# --- samples ------------------------------------------------------------------------------------


async def test_no_more_than_twenty_samples_a_second(run, clock):
    browser = await arrive(run)
    await ask(run, type="speed", ticks_per_s=1_000)
    await ask(run, type="play")
    await browser.drain()
    before = run.topic.version
    for _ in range(100):
        clock.now += 0.01
        await run.turn()
        await browser.drain()
    assert 18 <= run.topic.version - before <= 21
    assert browser.gaps == 0


async def test_no_sample_when_nothing_changed(run, clock):
    browser = await arrive(run)
    await play_for(run, clock, 0.1, browser)
    before = run.topic.version
    await play_for(run, clock, 3, browser)
    assert run.topic.version == before


async def test_large_samples_come_less_often(run, clock, monkeypatch):
    await arrive(run)
    monkeypatch.setattr(Stage, "BYTES_PER_S", 2_000)
    await ask(run, type="play")
    before = run.topic.version
    await play_for(run, clock, 2)
    assert run.topic.version - before < 20


async def test_a_sample_is_made_once_however_many_watch(run, clock, monkeypatch):
    for n in range(30):
        await arrive(run, f"viewer {n}")
    made = []
    make = run.stage.sampler.make
    monkeypatch.setattr(run.stage.sampler, "make", lambda *a: made.append(1) or make(*a))
    await ask(run, type="play")
    clock.now += 0.06
    await run.turn()
    assert len(made) == 1


async def test_an_unwatched_run_goes_on_and_is_sampled_once_a_second(run, clock):
    await ask(run, type="play")
    await play_for(run, clock, 0.5)
    before = run.topic.version
    await play_for(run, clock, 3)
    assert run.tick == 700
    assert run.topic.version - before == 3


async def test_everybody_sees_the_same_map_as_the_server(run, clock):
    browsers = [await arrive(run, name) for name in ("alice", "bob", "charlie")]
    await ask(run, type="play")
    for n in range(100):
        clock.now += 0.05
        await run.turn()
        for which, browser in enumerate(browsers):
            if n % (1 + 6 * which) == 0:
                await browser.drain()
    for browser in browsers:
        await browser.drain()
    assert {browser.picture.crc() for browser in browsers} == {run.fingerprint()["crc"]}
    assert [browser.gaps for browser in browsers] == [0, 0, 0]
    assert browsers[2].viewer.snapshots > 1


async def test_the_pages_of_a_watched_vm_follow_it(run, clock):
    browser = await arrive(run)
    run.watch(browser.seat, 1)
    await ask(run, type="play")
    await play_for(run, clock, 1, browser)
    await ask(run, type="pause")
    await play_for(run, clock, 0.1, browser)
    vm = run.machine.state.vm[1]
    table = run.machine.state.pte[vm["first_page"] : vm["first_page"] + vm["pages"]]
    assert browser.pictures[17].tables["pages"]["value"].view("i4").tolist() == table.tolist()
    assert table.any()


async def test_pages_are_of_one_vm_at_a_time_and_none_after_that(run, clock):
    browser = await arrive(run)
    for vm in (0, 2, None):
        run.watch(browser.seat, vm)
        clock.now += 1
        await run.turn()
        await browser.drain()
    assert set(browser.pictures) == {0, 16, 18}
    assert run.stage.watched == {}


@pytest.mark.parametrize("vm", [-1, 3, 10**6])
async def test_pages_of_a_vm_that_is_not_there_are_refused(run, vm):
    browser = await arrive(run)
    with pytest.raises(EngineError, match=r"vm must be 0\.\.2, got"):
        run.watch(browser.seat, vm)


async def test_heat_is_made_only_while_somebody_wants_it(run, clock):
    browser = await arrive(run)
    await step(run, 100)
    run.want_heat(browser.seat, True)
    clock.now += 1
    await run.turn()
    await browser.drain()
    assert browser.pictures[1].tables["heat"]["value"].max() > 200
    run.want_heat(browser.seat, False)
    assert run.stage.watched == {}


async def test_recent_slices_are_kept_for_the_first_picture(run, clock):
    await step(run, 100)
    clock.now += 2
    await run.turn()
    (lane,) = run.slices()
    assert lane[0][:3] == (0, 2, 0)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(lane))


async def test_laws_are_looked_at_and_hold(run, clock):
    browser = await arrive(run)
    await step(run, 400)
    clock.now += 1
    await run.turn()
    await browser.drain()
    laws = browser.picture.documents["laws"]
    assert len(laws) > 5
    assert {law["holds"] for law in laws.values()} == {True}
    assert {law["broken_at"] for law in laws.values()} == {None}


async def test_a_law_that_breaks_is_shown_with_the_tick_at_which_it_was_seen(
    run, clock, monkeypatch
):
    browser = await arrive(run)
    verdict = {"work_conserved": True}
    monkeypatch.setattr("vms.live.judge.check", lambda machine, cheap: dict(verdict))
    await step(run, 10)
    for holds in (True, False, True):
        verdict["work_conserved"] = holds
        clock.now += 2
        await step(run, 10)
        await browser.drain()
    law = browser.picture.documents["laws"]["work_conserved"]
    assert law == {"holds": True, "broken_at": 30}


# --- people -------------------------------------------------------------------------------------


async def test_viewers_are_counted_by_their_sockets(run, clock):
    alice = await arrive(run, "alice", "instructor")
    await arrive(run, "bob", "observer")
    second_tab = await arrive(run, "bob", "observer")
    assert run.viewers == 3
    run.leave(second_tab.seat)
    clock.now += 1
    await run.turn()
    await alice.drain()
    assert alice.state["viewers"] == 2


async def test_a_kick_closes_all_sockets_of_one_user_and_no_other(run):
    bobs = [await arrive(run, "bob"), await arrive(run, "bob")]
    alice = await arrive(run, "alice")
    run.kick("u-bob")
    assert [browser.closed[0] for browser in bobs] == [KICKED, KICKED]
    assert alice.closed is None


async def test_whose_role_has_changed_is_told_to_come_back(run):
    browser = await arrive(run, "bob")
    run.renew("u-bob")
    assert browser.closed == (RENEWED, "Your role in this lab has changed.")


# --- at rest ------------------------------------------------------------------------------------


async def test_at_a_pause_the_rows_are_written_after_half_a_second_of_quiet(run, store, clock):
    await ask(run, type="play")
    await play_for(run, clock, 0.2)
    await ask(run, type="pause")
    clock.now += 0.4
    await run.turn()
    assert store.calls("write_back") == []
    clock.now += 0.2
    await run.turn()
    await run.keeper.settled()
    assert store.calls("write_back") == [(40, "paused")]
    await play_for(run, clock, 5)
    assert len(store.calls("write_back")) == 1


async def test_steps_in_quick_succession_are_written_once(run, store, clock):
    for _ in range(5):
        await ask(run, type="step")
        clock.now += 0.1
        await run.turn()
    clock.now += 1
    await run.turn()
    await run.keeper.settled()
    assert store.calls("write_back") == [(5, "paused")]


async def test_nothing_is_written_while_it_plays(run, store, clock):
    await ask(run, type="play")
    await play_for(run, clock, 5)
    assert store.calls("write_back") == []


async def test_a_write_that_fails_is_tried_again(run, store, clock):
    await ask(run, type="step")
    store.broken = True
    clock.now += 1
    await run.turn()
    await run.keeper.settled()
    store.broken = False
    clock.now += 1
    await run.turn()
    await run.keeper.settled()
    assert store.calls("write_back") == []
    clock.now += run.keeper.RETRY_S
    await run.turn()
    await run.keeper.settled()
    assert store.calls("write_back") == [(1, "paused")]


async def test_when_stopped_it_writes_back_and_closes_its_sockets(run, store, clock):
    browser = await arrive(run)
    await ask(run, type="play")
    await play_for(run, clock, 0.2)
    await run.stop(4012, "the server is stopping")
    await run.live()
    assert browser.closed == (4012, "the server is stopping")
    assert store.calls("write_back") == [(40, "paused")]


async def test_what_is_asked_while_it_stops_is_refused(run):
    await run.stop()
    with pytest.raises(EngineError, match="being stopped"):
        await run.ask({"type": "play"})


async def test_what_waits_for_its_answer_when_it_stops_is_refused(run):
    task = asyncio.create_task(run.ask({"type": "play"}))
    await asyncio.sleep(0)
    await run.stop()
    await run.live()
    with pytest.raises(EngineError, match="being stopped"):
        await task


async def test_a_paused_run_that_nobody_watches_comes_to_an_end(run, clock):
    clock.now += 301
    await run.live()
    assert run.leaving


async def test_a_run_that_is_watched_or_plays_does_not_end_by_itself(run, clock):
    browser = await arrive(run)
    clock.now += 10_000
    assert not run._forgotten()
    await ask(run, type="play")
    run.leave(browser.seat)
    clock.now += 3_500
    assert not run._forgotten()
    await ask(run, type="pause")
    assert not run._forgotten()
    clock.now += 301
    assert run._forgotten()


async def test_a_run_that_plays_for_an_hour_with_nobody_watching_is_put_to_rest(run, store, clock):
    await ask(run, type="play")
    await play_for(run, clock, 0.2)
    clock.now += 3_601
    await run.live()
    assert run.leaving
    assert store.calls("write_back") == [(40, "paused")]


async def test_it_rests_until_something_is_due(run, clock):
    assert await run.turn() == pytest.approx(300)
    await ask(run, type="speed", ticks_per_s=2)
    await ask(run, type="play")
    await arrive(run)
    clock.now += 0.1
    assert await run.turn() == pytest.approx(0.4)


async def test_the_loop_itself_takes_turns_until_it_is_stopped(run, monkeypatch):
    halted = asyncio.Event()
    monkeypatch.setattr(run, "halt", lambda status: (Run.halt(run, status), halted.set()))
    living = asyncio.create_task(run.live())
    await run.ask({"type": "step", "ticks": 12})
    await halted.wait()
    assert run.tick == 12
    await run.stop()
    await living


async def test_a_run_that_cannot_go_on_closes_its_sockets(run, monkeypatch):
    browser = await arrive(run)

    async def broken():
        raise MemoryError("no memory for a sample")

    monkeypatch.setattr(run, "turn", broken)
    await run.live()
    assert browser.closed[0] == 4011
