"""When a run is written, how often, and what happens where it cannot be."""

import asyncio

import pytest

from tests.live.doubles import Clock, MemoryStore, first_steps
from vms.engine.machine import build
from vms.engine.tick import advance
from vms.live.audience import Who
from vms.live.journal import Journal
from vms.live.keeper import Keeper

ALICE = Who("u1", "alice", "driver")


class StandInRun:
    """A run as its keeper sees it."""

    lab, run_id, message, over = "lab", 1, "", False

    def __init__(self):
        self.clock = Clock()
        self.store = MemoryStore(first_steps())
        self.store.entries[1], self.store.runs[1] = {}, {}
        self.machine = build(self.store.scenario())
        self.journal = Journal(self.store.journal, 1)
        self.status, self.speed = "paused", 200
        self.held = 0
        self.keeper = Keeper(self, self.clock)

    @property
    def tick(self):
        return self.machine.now

    @property
    def wants_to_play(self):
        return self.status == "playing"

    goal = None

    async def alone(self, function, *args):
        self.held += 1
        return function(*args)

    def halt(self, status, message=""):
        self.status, self.message = status, message

    def go(self, goal=None):
        self.status = "playing"

    def changed(self):
        pass

    async def play(self, seconds, engine=0.01):
        """Play for some seconds of the clock, which cost the engine a part of each turn's."""
        self.status = "playing"
        end_s = self.clock.now + seconds
        while self.clock.now < end_s and self.status == "playing":
            advance(self.machine, 10)
            self.machine.drain()
            self.keeper.moved(engine)
            await self.turn(0.1)

    async def turn(self, seconds=0.0):
        self.clock.now += seconds
        await self.keeper.turn()
        await self.keeper.settled()


@pytest.fixture
def run():
    return StandInRun()


async def test_while_it_plays_it_is_written_every_few_seconds(run):
    await run.play(20.5, engine=0.001)
    assert len(run.store.calls("keep")) == 4
    assert run.store.calls("write_back") == []


async def test_the_more_the_engine_computes_the_more_checkpoints_there_are(run):
    await run.play(20, engine=0.1)
    assert 40 <= len(run.store.calls("keep")) <= 50  # every 0.4 engine seconds


async def test_checkpoints_are_spaced_by_what_they_cost(run):
    keep = run.store.keep

    async def dear(*args):
        await keep(*args)
        return 0.3

    run.store.keep = dear
    began_s = run.clock.now
    await run.play(60, engine=0.1)
    cost_s = 0.3 * len(run.store.calls("keep"))
    assert 0.02 < cost_s / (run.clock.now - began_s) < 0.035


async def test_the_machine_is_held_only_while_it_is_copied(run):
    writing, may_end = asyncio.Event(), asyncio.Event()

    async def slow(*args):
        writing.set()
        await may_end.wait()
        return 0.0

    run.store.keep = slow
    run.status = "playing"
    run.keeper.moved(1.0)
    await run.keeper.turn()
    await writing.wait()
    assert run.held == 1
    run.keeper.moved(1.0)
    assert run.keeper.due_s is None  # one at a time
    await run.keeper.turn()
    assert run.held == 1
    may_end.set()
    await run.keeper.settled()
    assert run.keeper.due_s is not None


async def test_at_rest_everything_is_written_once(run):
    run.keeper.touched()
    await run.turn(0.4)
    assert run.store.calls("write_back") == []
    await run.turn(0.2)
    assert run.store.calls("write_back") == [(0, "paused")]
    await run.turn(60)
    assert len(run.store.calls("write_back")) == 1
    assert run.keeper.due_s is None


async def test_what_is_written_says_up_to_which_entry_it_counts(run):
    first, second = await run.journal.begin_all([({"type": "step"}, ALICE)] * 2, 0)
    run.journal.end(first, None)
    run.keeper.touched()
    await run.turn(1)
    assert run.store.standing.sequence == 1  # the second is not applied yet
    run.journal.end(second, None)
    run.keeper.touched()
    await run.turn(1)
    assert run.store.standing.sequence == 2


async def test_how_commands_went_is_written_within_a_second(run):
    entry = await run.journal.begin({"type": "play"}, ALICE, 0)
    run.journal.end(entry, None)
    assert run.keeper.due_s == pytest.approx(run.clock.now + 1)
    await run.turn(0.5)
    assert run.store.calls("journal") == [(1, None)]
    await run.turn(0.6)
    assert run.store.calls("journal") == [(1, None), (1, True)]
    assert run.keeper.due_s is None


async def test_the_next_command_takes_the_outcomes_of_those_before_it_along(run):
    for _ in range(2):
        run.journal.end(await run.journal.begin({"type": "play"}, ALICE, 0), None)
    assert run.store.calls("journal") == [(1, None), (1, True), (2, None)]


async def test_a_full_disk_stops_a_run_with_a_sentence_and_it_goes_on_when_there_is_space(run):
    run.store.broken = True
    await run.play(20)
    assert run.status == "paused"
    assert run.message == (
        "The lab cannot be saved: the disk of the server is full. It stands still, nothing is "
        "lost, and it goes on by itself when it can be saved again."
    )
    assert run.keeper.trouble == run.message
    stood_at = run.tick
    for _ in range(10):
        await run.turn(1)
    assert (run.status, run.tick) == ("paused", stood_at)
    run.store.broken = False
    await run.turn(Keeper.RETRY_S)
    assert (run.status, run.keeper.trouble) == ("playing", "")
    assert run.store.calls("write_back") == [(stood_at, "paused")]
    assert run.store.standing.playing  # so it would also go on if the server were killed now


async def test_a_run_at_rest_is_not_set_going_by_a_disk_that_has_space_again(run):
    run.store.broken = True
    run.keeper.touched()
    await run.turn(1)
    assert run.keeper.trouble
    run.store.broken = False
    await run.turn(Keeper.RETRY_S)
    assert (run.status, run.keeper.trouble) == ("paused", "")
    assert run.store.calls("write_back") == [(0, "paused")]


async def test_somebody_who_pauses_a_run_that_stands_still_is_obeyed(run):
    run.store.broken = True
    await run.play(20)
    run.keeper.touched()
    run.keeper.stay()
    run.store.broken = False
    await run.turn(Keeper.RETRY_S)
    assert run.status == "paused"


async def test_a_run_that_broke_keeps_the_checkpoints_it_has(run):
    run.status = "crashed"
    seen = []
    write_rest = run.store.write_rest

    async def seeing(lab, run_id, remains, *args):
        seen.append(remains.frozen)
        await write_rest(lab, run_id, remains, *args)

    run.store.write_rest = seeing
    run.keeper.touched()
    await run.turn(1)
    assert seen == [None]


async def test_at_the_end_it_is_written_although_the_first_try_fails(run):
    run.keeper.LAST_TRIES = 2
    run.keeper.RETRY_S = 0.0
    tries = []
    write_rest = run.store.write_rest

    async def failing_once(*args):
        tries.append(1)
        if len(tries) == 1:
            raise OSError("database is locked")
        await write_rest(*args)

    run.store.write_rest = failing_once
    run.keeper.touched()
    await run.keeper.finish()
    assert run.store.calls("write_back") == [(0, "paused")]


async def test_what_cannot_be_written_at_the_end_is_given_up_aloud(run, caplog):
    run.store.broken = True
    run.keeper.RETRY_S = 0.0
    run.keeper.touched()
    await run.keeper.finish()
    assert "goes on from its last checkpoint" in caplog.text


async def test_a_command_that_cannot_be_written_down_is_refused(run):
    run.store.broken = True
    with pytest.raises(ValueError, match="not done: the disk of the server is full"):
        await run.journal.begin({"type": "play"}, ALICE, 0)
    run.store.broken = False
    entry = await run.journal.begin({"type": "play"}, ALICE, 0)
    assert entry["sequence"] == 1
