"""Reset, undo, redo, switch, fork: any sequence of them, against a plain model of them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.live.conftest import started
from tests.live.doubles import Browser, Clock, MemoryStore, first_steps
from tests.live.test_run import arrive, ask
from vms.engine.machine import build
from vms.engine.scenario import Scenario
from vms.engine.tick import advance
from vms.live.audience import MOVED, Who
from vms.live.replay import apply_message, state_hash

ALICE = Who("u1", "alice", "driver")


class Model:
    """One run as a plain list of commands (tick, sequence, message) and a tick."""

    def __init__(self, commands=(), tick=0, parent=None, origin="start"):
        self.commands = list(commands)
        self.tick = tick
        self.parent = parent
        self.origin = origin
        self.undone_from = None

    def hash(self):
        machine = build(Scenario.parse(first_steps()))
        for tick, sequence, message in self.commands:
            go(machine, tick)
            apply_message(machine, message, sequence)
        go(machine, self.tick)
        return state_hash(machine)


def go(machine, tick):
    while machine.now < tick:
        advance(machine, tick - machine.now)
        machine.drain()


class Deeds(RuleBasedStateMachine):
    """A run in memory, and the model beside it."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.pool = ThreadPoolExecutor(1)
        self.store = MemoryStore(first_steps())
        self.clock = Clock()
        self.run = self.do(started(self.store, self.clock, self.pool))
        self.browser = self.do(arrive(self.run))
        self.runs = {1: Model()}
        self.current = 1

    def do(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def ask(self, **message):
        return self.do(ask(self.run, ALICE, **message))

    @property
    def here(self):
        return self.runs[self.current]

    @rule(ticks=st.integers(1, 40))
    def step(self, ticks):
        assert self.ask(type="step", ticks=ticks) is None
        while self.run.status == "playing":
            self.do(self.run.turn())
        self.here.tick += ticks

    @rule(weight=st.integers(1, 1_000), vm=st.sampled_from(["one", "two", "three"]))
    def command(self, weight, vm):
        message = {"type": "set_weight", "vm": vm, "weight": weight}
        assert self.ask(**message) is None
        self.here.commands.append((self.here.tick, self.run.journal.last, message))
        self.here.undone_from = None

    @rule()
    def refused_command(self):
        assert self.ask(type="set_weight", vm="nobody", weight=1).field == "vm"

    @rule()
    def undo(self):
        here, refusal = self.here, self.ask(type="undo")
        if here.commands:
            tick, _, _ = here.commands[-1]
            made = Model(here.commands[:-1], tick, self.current, "undo")
            self.runs[self.run.number], was = made, self.current
            self.current = self.run.number
            made.undone_from = was
        elif here.origin == "reset":
            self.runs[here.parent].undone_from = self.current
            self.current = here.parent
        else:
            assert "nothing to undo" in str(refusal)
            return
        assert refusal is None

    @rule()
    def redo(self):
        refusal = self.ask(type="redo")
        if self.here.undone_from is None:
            assert "nothing to redo" in str(refusal)
        else:
            assert refusal is None
            self.current = self.here.undone_from

    @rule()
    def reset(self):
        assert self.ask(type="reset") is None
        self.runs[self.run.number] = Model((), 0, self.current, "reset")
        self.current = self.run.number

    @rule(back=st.integers(0, 60), switch=st.booleans())
    def fork(self, back, switch):
        tick = max(0, self.here.tick - back)
        coming = len(self.runs) + 1
        self.do(fork(self.run, tick=tick, switch=switch))
        kept = [each for each in self.here.commands if each[0] <= tick]
        self.runs[coming] = Model(kept, tick, self.current, "fork")
        if switch:
            self.current = coming

    @rule(data=st.data())
    def switch(self, data):
        number = data.draw(st.sampled_from(sorted(self.runs)))
        refusal = self.ask(type="switch", run=number)
        assert (refusal is not None) == (number == self.current)
        self.current = number

    @rule(data=st.data())
    def delete_and_restore(self, data):
        number = data.draw(st.sampled_from(sorted(self.runs)))
        refusal = self.ask(type="delete_run", run=number)
        assert (refusal is not None) == (number == self.current)
        assert self.ask(type="restore_run", run=number) is None

    @precondition(lambda self: self.run.tick > 0)
    @rule(data=st.data())
    def look_back(self, data):
        tick = data.draw(st.integers(0, self.run.tick))
        answer = self.do(self.run.pasts.look(self.browser.seat, tick))
        assert answer["tick"] == tick

    @invariant()
    def the_run_is_what_the_model_says(self):
        assert (self.run.number, self.run.tick) == (self.current, self.here.tick)
        assert state_hash(self.run.machine) == self.here.hash()
        assert len(self.store.runs) == len(self.runs)
        assert {n: run["parent"] for n, run in self.store.runs.items()} == {
            n: model.parent for n, model in self.runs.items()
        }
        assert self.browser.closed is None

    def teardown(self):
        self.do(self.run.stop())
        self.do(self.run.live())
        self.loop.close()
        self.pool.shutdown()


async def fork(run, **fields):
    """Fork, taking the turns that it needs."""
    task = asyncio.create_task(run.ask({"type": "fork", **fields}, ALICE))
    while not task.done():
        await asyncio.sleep(0)
        if run._desk.asked:
            await run.turn()
    return await task


TestDeeds = Deeds.TestCase
TestDeeds.settings = settings(
    max_examples=12,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


# --- one by one ---------------------------------------------------------------------------------


async def step(run, ticks):
    await ask(run, type="step", ticks=ticks)
    while run.status == "playing":
        await run.turn()


async def test_an_undo_is_a_run_that_branches_off_just_before_the_last_command(run, store):
    await step(run, 10)
    await ask(run, type="set_weight", vm="one", weight=7)
    await step(run, 20)
    before = state_hash(run.machine)
    assert await ask(run, ALICE, type="undo") is None
    assert (run.number, run.tick, run.status) == (2, 10, "paused")
    assert int(run.machine.state.vcpu[0].weight) == 256
    made = store.runs[2]
    assert (made["parent"], made["origin"], made["fork_tick"]) == (1, "undo", 10)
    assert await ask(run, type="redo") is None
    assert (run.number, run.tick, state_hash(run.machine)) == (1, 30, before)


async def test_a_new_command_makes_the_redo_go_away(run):
    await ask(run, type="set_weight", vm="one", weight=7)
    await ask(run, type="undo")
    assert run.deeds.documents()["timebar"]["can_redo"] == "#1"
    await ask(run, type="set_weight", vm="one", weight=8)
    assert run.deeds.documents()["timebar"]["can_redo"] is None
    assert "nothing to redo" in str(await ask(run, type="redo"))


async def test_what_can_be_undone_is_told_in_words(run, clock):
    browser = await arrive(run)
    assert run.deeds.documents()["timebar"]["can_undo"] is None
    await step(run, 5)
    await ask(run, type="set_weight", vm="one", weight=7)
    clock.now += 1
    await run.turn()
    await browser.drain()
    timebar = browser.picture.documents["timebar"]
    assert timebar["can_undo"] == "set_weight vm=one weight=7 @ 5"


async def test_what_was_played_by_the_clock_rests_when_another_run_is_shown(run, store):
    await ask(run, type="set_weight", vm="one", weight=7)
    await ask(run, type="play")
    assert await ask(run, type="undo") is None
    assert run.status == "paused"
    assert store.standing.playing is False


async def test_viewers_stay_on_the_page_but_for_those_who_came_for_a_certain_run(run):
    follows, pinned, other = await arrive(run, "a"), await arrive(run, "b"), await arrive(run, "c")
    pinned.seat.run = 1
    other.seat.run = 2
    await ask(run, type="reset")
    assert (follows.closed, other.closed) == (None, None)
    assert pinned.closed == (MOVED, "the run is shown elsewhere")
    await run.turn()
    await follows.drain()
    assert follows.state["run"] == 2


async def test_the_tree_is_told_to_everybody_when_it_changes(run, clock):
    browser = await arrive(run)
    await step(run, 50)
    await fork(run, tick=20, name="what if")
    await ask(run, type="name_run", run=1, name="as it was", note="one\ntwo")
    clock.now += 1
    await run.turn()
    await browser.drain()
    first, second = browser.picture.documents["runs"]
    assert (first["name"], first["note"], first["current"]) == ("as it was", "one\ntwo", True)
    assert (second["name"], second["parent"], second["fork_tick"]) == ("what if", 1, 20)


async def test_a_fork_with_a_command_begins_with_it(run, store):
    await step(run, 50)
    command = {"type": "set_weight", "vm": "two", "weight": 9}
    assert await fork(run, tick=30, command=command, switch=True) == {"run": 2}
    assert (run.number, run.tick) == (2, 30)
    assert int(run.machine.state.vcpu[1].weight) == 9
    assert store.entries[2][1]["name"] == "alice"
    assert [entry["command"]["type"] for entry in store.entries[1].values()] == ["step", "fork"]


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"command": {"type": "set_weight", "vm": "two"}}, "command.weight", "is required"),
        ({"command": {"type": "set_weight", "vm": "x", "weight": 1}}, "command.vm", "one, two"),
        ({"command": {"type": "undo"}}, "command.type", "must be one of"),
        ({"tick": 51}, "tick", "0..50"),
        ({"until": 50}, "until", "a tick after 50"),
        ({"tick": 20, "until": 7}, "until", "a tick after 20"),
        ({"command": 5}, "command", ""),
        ({"name": "x" * 65}, "name", "at most 64"),
    ],
)
async def test_a_fork_that_cannot_be_is_refused_and_makes_no_run(
    run, store, fields, field, sentence
):
    await step(run, 50)
    from vms.engine.errors import EngineError

    with pytest.raises(EngineError) as refusal:
        await fork(run, **fields)
    assert refusal.value.field == field
    assert sentence in str(refusal.value)
    assert len(store.runs) == 1


async def test_a_fork_that_is_shown_goes_on_until_the_tick_it_was_given(run):
    await step(run, 50)
    task = asyncio.create_task(run.ask({"type": "fork", "tick": 20, "until": 90, "switch": True}))
    while not task.done() or run.status == "playing":
        await asyncio.sleep(0)
        await run.turn()
    assert (run.number, run.tick, run.status) == (2, 90, "paused")


async def test_the_current_run_is_not_deleted(run):
    assert (await ask(run, type="delete_run", run=1)).field == "run"
    assert (await ask(run, type="switch", run=7)).field == "run"
    assert (await ask(run, type="name_run", run=7)).field == "run"


async def test_a_deed_that_fails_changes_nothing(run, store, monkeypatch):
    await ask(run, type="set_weight", vm="one", weight=7)
    await step(run, 10)

    async def broken(run_id):
        raise OSError("no such file")

    run.opener = broken
    assert "could not be done" in str(await ask(run, type="undo"))
    assert (run.number, run.tick, store.current) == (1, 10, 1)
    browser = Browser(run)
    run.enter(browser.seat)
    assert browser.seat.stage is run.stage


@pytest.mark.parametrize("deed", ["reset", "undo"])
async def test_a_deed_that_cannot_be_written_down_is_not_done(run, store, deed, monkeypatch):
    await ask(run, type="set_weight", vm="one", weight=7)
    await step(run, 10)
    await run.journal.flush()
    before, journal = state_hash(run.machine), store.journal

    async def full(run_id, entries, marks=None):
        if run_id != 1:
            raise OSError("no space")
        await journal(run_id, entries, marks)

    monkeypatch.setattr(store, "journal", full)
    assert "it was not done" in str(await ask(run, type=deed))
    assert (run.number, run.tick, store.current) == (1, 10, 1)
    assert state_hash(run.machine) == before
    assert await ask(run, type="set_weight", vm="one", weight=8) is None
