"""Looking at a run as it was, by several viewers, while it goes on."""

import asyncio

import pytest

from tests.live.conftest import started
from tests.live.doubles import Browser, MemoryStore, busy_lab
from tests.live.test_run import arrive, ask, play_for
from vms.engine.errors import EngineError
from vms.engine.machine import build
from vms.engine.tick import advance
from vms.live import past as past_module
from vms.live import pasts as pasts_module
from vms.live.pasts import SUPERSEDED
from vms.live.reel import event_tick
from vms.live.replay import machine_at
from vms.live.wire.encode import Encoder, frame_values
from vms.live.wire.picture import Picture

TABLES = ("pcpu", "vcpu", "vm", "device", "vdevice", "queue", "frames")


def picture_of(machine):
    """Return what a machine looks like, made without anything of the run."""
    picture = Picture()
    picture.apply(Encoder(machine, picture).sample({"state": {"tick": machine.now}}).body)
    return picture


async def assert_as_at(run, browser, tick, sequence=None):
    """Assert that a viewer has been sent the machine of a fresh replay, and nothing else."""
    await browser.drain()
    machine = machine_at(await run.recording(), tick, sequence)
    expected = picture_of(machine)
    assert browser.state["tick"] == machine.now
    for name in TABLES:
        for column, values in expected.tables[name].items():
            shown = browser.picture.tables[name][column]
            assert repr(values.tolist()) == repr(shown.tolist()), (name, column)  # NaN: none yet
    assert browser.gaps == 0


@pytest.fixture(autouse=True)
def _nothing_is_held():
    yield
    pasts_module._all.clear()


@pytest.fixture
async def busy(clock, executor):
    """A run with a history: 400 ticks, three commands on the way."""
    run = await started(MemoryStore(busy_lab()), clock, executor)
    for ticks, message in (
        (120, {"type": "set_weight", "vm": "vm-1", "weight": 900}),
        (130, {"type": "set_scheduler", "policy": "lottery"}),
        (150, {"type": "pause_vm", "vm": "vm-2"}),
    ):
        await step(run, ticks)
        assert await ask(run, **message) is None
    clock.now += 1
    await run.turn()
    return run


async def step(run, ticks):
    await ask(run, type="step", ticks=ticks)
    while run.status == "playing":
        await run.turn()


# --- what is seen -------------------------------------------------------------------------------


@pytest.mark.parametrize("tick", [0, 1, 119, 120, 121, 250, 333, 400])
async def test_a_viewer_sees_the_machine_of_that_tick(busy, tick):
    browser = await arrive(busy)
    assert await busy.pasts.look(browser.seat, tick) == {"tick": tick, "last": 400}
    await assert_as_at(busy, browser, tick)
    assert browser.state["past"] is True
    assert browser.state["live"] == {"tick": 400, "status": "paused"}
    assert (browser.state["first"], browser.state["last"]) == (0, 400)


async def test_a_moment_before_a_command_of_its_tick_is_one_too(busy):
    browser = await arrive(busy)
    weights = []
    for sequence in (0, 1, None):
        await busy.pasts.look(browser.seat, 120, sequence)
        await assert_as_at(busy, browser, 120, sequence)
        weights.append(browser.picture.tables["vcpu"]["weight"][1])
    assert weights == [101, 101, 900]


async def test_two_viewers_look_at_different_ticks_while_the_run_goes_on(busy, clock):
    alice, bob, carol = [await arrive(busy, name) for name in ("alice", "bob", "carol")]
    await ask(busy, type="play")
    for tick_a, tick_b in ((10, 390), (380, 20), (381, 21), (5, 22)):
        await busy.pasts.look(alice.seat, tick_a)
        await busy.pasts.look(bob.seat, tick_b)
        await play_for(busy, clock, 0.3)
        await assert_as_at(busy, alice, tick_a)
        await assert_as_at(busy, bob, tick_b)
    await carol.drain()
    assert carol.state["past"] is False
    assert carol.state["tick"] == busy.tick > 400
    assert alice.state["live"]["tick"] > 400
    assert carol.picture.crc() == busy.fingerprint()["crc"]


async def test_the_map_of_the_past_is_that_of_a_fresh_replay(busy):
    browser = await arrive(busy)
    for tick in (77, 301, 302, 12):
        await busy.pasts.look(browser.seat, tick)
        await browser.drain()
        machine = machine_at(await busy.recording(), tick)
        values = frame_values(machine, range(len(machine.state.frame)))
        assert browser.picture.tables["frames"]["value"].tolist() == values.tolist()
        assert busy.fingerprint(browser.seat)["crc"] == browser.picture.crc()


async def test_live_gives_the_run_as_it_is_back(busy):
    browser = await arrive(busy)
    await busy.pasts.look(browser.seat, 33)
    await browser.drain()
    busy.pasts.live(browser.seat)
    await browser.drain()
    assert browser.state["past"] is False
    assert browser.state["tick"] == 400
    assert browser.picture.crc() == busy.fingerprint()["crc"]
    assert busy.pasts.pasts == []


async def test_going_forward_is_going_on_and_going_back_is_another_machine(busy):
    browser = await arrive(busy)
    await busy.pasts.look(browser.seat, 100)
    (past,) = busy.pasts.pasts
    first = past.stage.sampler
    await busy.pasts.look(browser.seat, 200)
    assert past.stage.sampler is first
    await busy.pasts.look(browser.seat, 199)
    assert past.stage.sampler is not first
    assert busy.pasts.pasts == [past]


async def test_charts_and_timeline_of_the_past_show_what_led_there(busy):
    browser = await arrive(busy)
    await busy.pasts.look(browser.seat, 300)
    await browser.drain()
    slices, history = (browser.picture.tables[name] for name in ("slices", "history"))
    assert slices["to"].max() <= 300
    assert slices["from"].min() == 0
    assert len(history["tick"]) > 50
    assert history["tick"].tolist() == sorted(history["tick"].tolist())
    assert history["tick"][-1] == 300
    assert len(browser.picture.tables["events"]["tick"]) > 0


async def test_pages_and_heat_of_the_past_are_sent_on_the_same_topics(busy, clock):
    browser = await arrive(busy)
    busy.watch(browser.seat, 3)
    await busy.pasts.look(browser.seat, 250)
    busy.want_heat(browser.seat, True)
    for past in busy.pasts.pasts:
        await past._move
    await browser.drain()
    machine = machine_at(await busy.recording(), 250)
    vm = machine.state.vm[3]
    table = machine.state.pte[vm["first_page"] : vm["first_page"] + vm["pages"]]
    assert browser.pictures[19].tables["pages"]["value"].view("i4").tolist() == table.tolist()
    assert browser.pictures[1].tables["heat"]["value"].max() > 200
    busy.pasts.live(browser.seat)
    clock.now += 1
    await busy.turn()
    await browser.drain()
    vm = busy.machine.state.vm[3]
    table = busy.machine.state.pte[vm["first_page"] : vm["first_page"] + vm["pages"]]
    assert browser.pictures[19].tables["pages"]["value"].view("i4").tolist() == table.tolist()


async def test_who_looks_at_the_past_is_counted_and_reads_the_journal(busy, clock):
    alice, bob = await arrive(busy, "alice"), await arrive(busy, "bob")
    await busy.pasts.look(alice.seat, 50)
    await ask(busy, type="set_time_slice", ticks=7)
    clock.now += 1
    await busy.turn()
    for browser in (alice, bob):
        await browser.drain()
        assert browser.picture.journal[-1]["command"] == "set_time_slice"
    assert busy.viewers == 2


async def test_it_hears_how_far_the_run_is_at_least_once_a_second(busy, clock):
    browser = await arrive(busy)
    await busy.pasts.look(browser.seat, 50)
    await ask(busy, type="play")
    heard = []
    for _ in range(4):
        await play_for(busy, clock, 1)
        await browser.drain()
        heard.append(browser.state["live"]["tick"])
    assert [busy.tick - tick <= 200 for tick in heard[-1:]] == [True]
    assert heard == sorted(set(heard))
    assert browser.state["tick"] == 50


# --- by ticks and by events ---------------------------------------------------------------------


def ticks_with_events(machine, entries, last):
    """Return the ticks at which the log has grown, stepping one by one."""
    found = set()
    plain = build(machine.scenario)
    commands = {entry["tick"] for entry in entries if entry["command"]["type"].startswith("set")}
    while plain.now < last:
        advance(plain, 1)
        if len(plain.drain()) or plain.now in commands:
            found.add(plain.now)
    return sorted(found)


@pytest.mark.compiled
async def test_by_events_it_stops_where_stepping_one_by_one_finds_one(clock, executor):
    data = busy_lab(vms=2)
    for vm in data["vms"]:
        vm["workload"]["steps"] = [{"compute": 40}, {"sleep": 90}]
    data["host"]["scheduler"] = {"policy": "fcfs"}
    run = await started(MemoryStore(data), clock, executor)
    await step(run, 333)
    assert await ask(run, type="set_time_slice", ticks=9) is None
    await step(run, 3_000)
    recording = await run.recording()
    found = ticks_with_events(run.machine, recording.entries, run.tick)
    assert 333 in found
    for tick in (0, 1, found[0], 332, 333, 334, 1_000, run.tick):
        later = [at for at in found if at > tick]
        before = [at for at in found if at < tick]
        for by in (1, 2, 5):
            expected = later[by - 1] if len(later) >= by else run.tick
            assert event_tick(recording, tick, by, run.tick, lambda: True) == expected
            expected = before[-by] if len(before) >= by else 0
            assert event_tick(recording, tick, -by, run.tick, lambda: True) == expected


async def test_steps_go_from_where_the_viewer_looks(busy):
    browser = await arrive(busy)
    assert (await busy.pasts.look_by(browser.seat, "tick", -1))["tick"] == 399
    assert (await busy.pasts.look_by(browser.seat, "tick", -99))["tick"] == 300
    assert (await busy.pasts.look_by(browser.seat, "tick", 1000))["tick"] == 400
    assert (await busy.pasts.look_by(browser.seat, "tick", -1000))["tick"] == 0
    there = (await busy.pasts.look_by(browser.seat, "event", 1))["tick"]
    assert there > 0
    assert (await busy.pasts.look_by(browser.seat, "event", -1))["tick"] == 0
    await assert_as_at(busy, browser, 0)


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tick", [-1, 401, 10**12])
async def test_a_tick_that_the_run_has_not_seen_is_refused(busy, tick):
    browser = await arrive(busy)
    with pytest.raises(EngineError, match=r"tick must be 0\.\.400, got"):
        await busy.pasts.look(browser.seat, tick)
    await browser.drain()
    assert browser.state["past"] is False


async def test_only_so_many_machines_of_the_past_are_kept_and_looking_together_is_free(busy):
    busy.pasts._most = 2
    browsers = [await arrive(busy, f"viewer {n}") for n in range(4)]
    for browser, tick in zip(browsers, (10, 20, 20), strict=False):
        await busy.pasts.look(browser.seat, tick)
    with pytest.raises(EngineError, match=r"at most 2 other ticks .* look at one of 10, 20"):
        await busy.pasts.look(browsers[3].seat, 30)
    await browsers[3].drain()
    assert browsers[3].state["past"] is False
    await busy.pasts.look(browsers[3].seat, 10)
    assert len(busy.pasts.pasts) == 2
    with pytest.raises(EngineError, match="at most 2"):
        await busy.pasts.look(browsers[1].seat, 40)
    await assert_as_at(busy, browsers[1], 20)


async def test_the_memory_of_all_machines_of_the_past_together_is_bounded(
    busy, clock, executor, settings
):
    other = await started(MemoryStore(busy_lab()), clock, executor)
    alice, bob = await arrive(busy, "alice"), await arrive(other, "bob")
    size = sum(array.nbytes for array in busy.machine.state.arrays().values())
    settings.LIVE_PAST_BYTES = size + 1
    await busy.pasts.look(alice.seat, 10)
    with pytest.raises(EngineError, match="no memory left for looking at other ticks"):
        await other.pasts.look(bob.seat, 0)
    busy.pasts.live(alice.seat)
    await other.pasts.look(bob.seat, 0)
    other.leave(bob.seat)


async def test_one_of_two_at_a_tick_may_go_on_without_the_other(busy):
    alice, bob = await arrive(busy, "alice"), await arrive(busy, "bob")
    await busy.pasts.look(alice.seat, 60)
    await busy.pasts.look(bob.seat, 60)
    assert len(busy.pasts.pasts) == 1
    await busy.pasts.look(bob.seat, 90)
    await assert_as_at(busy, alice, 60)
    await assert_as_at(busy, bob, 90)


async def test_when_the_last_one_leaves_the_machine_is_let_go_of(busy):
    alice, bob = await arrive(busy, "alice"), await arrive(busy, "bob")
    for browser in (alice, bob):
        await busy.pasts.look(browser.seat, 60)
    busy.leave(alice.seat)
    assert len(busy.pasts.pasts) == 1
    busy.leave(bob.seat)
    assert busy.pasts.pasts == []
    assert busy.viewers == 0


async def test_of_a_storm_of_looks_the_newest_counts(busy):
    browser = await arrive(busy)
    looks = [busy.pasts.look(browser.seat, tick) for tick in range(400, 100, -3)]
    answers = await asyncio.gather(*looks)
    assert answers[-1] == {"tick": 103, "last": 400}
    assert sum(answer == SUPERSEDED for answer in answers) > 90
    await assert_as_at(busy, browser, 103)
    assert len(busy.pasts.pasts) == 1


@pytest.mark.compiled
async def test_storms_of_many_viewers_end_where_each_wanted_last(busy):
    browsers = [await arrive(busy, f"viewer {n}") for n in range(5)]
    looks = [
        busy.pasts.look(browser.seat, (37 * n + 61 * place) % 400)
        for n in range(30)
        for place, browser in enumerate(browsers)
    ]
    await asyncio.gather(*looks)
    for place, browser in enumerate(browsers):
        await assert_as_at(busy, browser, (37 * 29 + 61 * place) % 400)


async def test_a_look_that_is_superseded_stops_its_replay(busy, monkeypatch):
    browser = await arrive(busy)
    begun, stopped = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    seek = past_module.Reel.seek

    def patient(self, recording, tick, sequence, progress, wanted):
        if tick == 399:
            loop.call_soon_threadsafe(begun.set)
            while wanted():
                pass
            loop.call_soon_threadsafe(stopped.set)
            raise past_module.Cancelled
        return seek(self, recording, tick, sequence, progress, wanted)

    monkeypatch.setattr(past_module.Reel, "seek", patient)
    first = asyncio.create_task(busy.pasts.look(browser.seat, 399))
    await begun.wait()
    assert (await busy.pasts.look(browser.seat, 5))["tick"] == 5
    await stopped.wait()
    assert await first == SUPERSEDED
    await assert_as_at(busy, browser, 5)


async def test_a_moment_that_cannot_be_had_is_refused_and_the_viewer_stays(busy, monkeypatch):
    browser = await arrive(busy)

    def broken(*args):
        raise EngineError("no file {given} among the lab's uploads", given="trace")

    monkeypatch.setattr(past_module.Reel, "seek", broken)
    with pytest.raises(EngineError, match="no file trace"):
        await busy.pasts.look(browser.seat, 5)
    assert busy.pasts.pasts == []
    assert browser.seat.stage is busy.stage


async def test_after_a_reset_everybody_looks_at_the_new_run(busy):
    browser = await arrive(busy)
    await busy.pasts.look(browser.seat, 5)
    assert await ask(busy, type="reset") is None
    await busy.turn()
    await browser.drain()
    assert (browser.state["past"], browser.state["tick"], browser.state["run"]) == (False, 0, 2)
    assert busy.pasts.pasts == []


async def test_who_left_while_a_look_was_on_its_way_takes_no_machine_with_them(busy):
    browser = Browser(busy)
    busy.enter(browser.seat)
    look = asyncio.create_task(busy.pasts.look(browser.seat, 5))
    await asyncio.sleep(0)
    busy.leave(browser.seat)
    assert await look == SUPERSEDED
    assert busy.pasts.pasts == []
