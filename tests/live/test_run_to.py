"""Run to a tick, an event, a condition: with progress, cancelled by a pause."""

import pytest

from tests.live.conftest import started
from tests.live.doubles import MemoryStore, busy_lab, first_steps
from tests.live.test_run import arrive, ask
from vms.engine.conditions import parse
from vms.engine.errors import EngineError
from vms.engine.machine import build
from vms.engine.metrics import result
from vms.engine.scenario import Scenario
from vms.engine.tables import EVENTS
from vms.engine.tick import advance


@pytest.fixture
async def busy(clock, executor):
    return await started(MemoryStore(busy_lab()), clock, executor)


async def run_to(run, **goal):
    refusal = await ask(run, type="run_to", **goal)
    while run.status == "playing":
        await run.turn()
    return refusal


async def test_to_a_tick(busy):
    assert await run_to(busy, tick=777) is None
    assert (busy.tick, busy.status) == (777, "paused")


@pytest.mark.parametrize("kind", ["io", "fault", "evict", "writeback", "slice"])
async def test_right_after_the_first_event_of_a_kind(busy, kind):
    plain = build(Scenario.parse(busy_lab()))
    while kind not in [EVENTS[row["kind"]] for row in plain.drain()]:
        advance(plain, 1)
    assert await run_to(busy, event=kind) is None
    assert busy.tick == plain.now
    assert busy.machine.event_hash == plain.event_hash


@pytest.mark.parametrize(
    "text",
    [
        "vms.vm-1.major_faults > 20",
        "vms[3].steal > 30 %",
        "host.replacement.evictions >= 100",
        "host.frames.free == 0",
        "devices.disk0.p99_us > 2000",
        "host.jain_fairness < 0.9",
    ],
)
async def test_to_the_first_tick_at_which_a_condition_holds(busy, text):
    plain, condition = build(Scenario.parse(busy_lab())), parse(text)
    while not condition.holds(result(plain)):
        advance(plain, 1)
        plain.drain()
    assert await run_to(busy, condition=text) is None
    assert (busy.tick, busy.status) == (plain.now, "paused")
    assert busy.machine.event_hash == plain.event_hash


@pytest.mark.compiled
async def test_a_goal_is_shown_with_its_progress_and_then_how_it_ended(busy, clock, monkeypatch):
    browser = await arrive(busy)
    await ask(busy, type="run_to", condition="vms.vm-1.run >= 100000")
    parts = []
    while busy.status == "playing" and len(parts) < 5:
        clock.now += 1
        await busy.turn()
        await browser.drain()
        parts.append(browser.state["goal"]["done"])
        assert browser.state["goal"]["text"] == "vms.vm-1.run >= 100000"
        assert browser.state["goal"]["kind"] == "condition"
    assert parts == sorted(parts)
    assert 0 < parts[-1] < 1
    await ask(busy, type="pause")
    clock.now += 1
    await busy.turn()
    await browser.drain()
    assert browser.state["goal"] is None
    assert browser.state["reached"] is None
    await run_to(busy, tick=busy.tick + 5)
    clock.now += 1
    await busy.turn()
    await browser.drain()
    told = browser.state["reached"]
    assert told == {
        "kind": "tick",
        "text": str(busy.tick),
        "from": busy.tick - 5,
        "tick": busy.tick,
        "reached": True,
    }


async def test_a_pause_cancels(busy):
    await ask(busy, type="run_to", tick=10**9)
    await busy.turn()
    await ask(busy, type="pause")
    assert busy.status == "paused"
    assert 0 < busy.tick < 10**9
    assert busy._motion.goal is None


async def test_a_run_that_is_over_before_says_that_it_did_not_get_there(clock, executor):
    data = first_steps()
    for vm in data["vms"]:
        vm["workload"] = {"repeat": 1, "steps": [{"compute": 5}]}
    run = await started(MemoryStore(data), clock, executor)
    assert await run_to(run, condition="vms.one.run > 5") is None
    assert (run.status, run.tick) == ("ended", 15)
    assert run.documents()["state"]["reached"]["reached"] is False


@pytest.mark.parametrize(
    ("goal", "field", "sentence"),
    [
        ({"tick": 0}, "tick", "tick must be a tick after 0, where the run is, got 0"),
        ({"event": "explosion"}, "event", "event must be one of slice, fault"),
        ({"condition": "vms.vm-1.rnu > 5"}, "condition", "did you mean vms.vm-1.run?"),
        ({"condition": "ticks >= 0"}, "condition", "ticks >= 0 holds already, at tick 0"),
        ({"condition": "soon"}, "condition", "like vms.web.major_faults > 100"),
        ({}, "tick", "exactly one of tick, event, condition is needed, got none"),
        ({"tick": 5, "event": "io"}, "tick", "got tick, event"),
    ],
)
async def test_a_goal_that_cannot_be_is_refused(busy, goal, field, sentence):
    refusal = await run_to(busy, **goal)
    assert isinstance(refusal, EngineError)
    assert refusal.field == field
    assert sentence in str(refusal)
    assert (busy.tick, busy.status) == (0, "paused")
