"""A full disk, a database that another program holds, a clock that is set back: real rows."""

import asyncio
import sqlite3
import time

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.backends.signals import connection_created

from tests.live.doubles import Browser, first_steps
from vms.founding import found
from vms.live import registry, replay, store
from vms.live.store import keeping, writer
from vms.live.trouble import FULL, LOCKED, OTHER, kind_of
from vms.models import Checkpoint, JournalEntry
from vms.models import Run as RunRow

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        django_settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3",
        reason="these are SQLite's troubles",
    ),
]

FULL_DISK = (
    "The lab cannot be saved: the disk of the server is full. It stands still, nothing is lost, "
    "and it goes on by itself when it can be saved again."
)


@pytest.fixture
def lab(transactional_db):
    return found(document=first_steps())


def pragma(text):
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {text}")
        return cursor.fetchone()[0]


def on_writing_threads(text):
    """Run a pragma on the connections that runs are written with; return what both said."""
    return [thread.submit(pragma, text).result() for thread in (writer._thread, keeping._thread)]


@pytest.fixture
def disk(transactional_db):
    """Let the database grow no further, or again."""
    most = []

    def narrow(connection, **_):
        if most:
            connection.cursor().execute(f"PRAGMA max_page_count={most[-1]}")

    def fill():
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
        most.append(pragma("page_count"))
        on_writing_threads(f"max_page_count={most[-1]}")

    def make_room():
        most.clear()
        on_writing_threads("max_page_count=1073741823")

    connection_created.connect(narrow)
    yield fill, make_room
    connection_created.disconnect(narrow)
    make_room()


async def until(condition, run):
    """Let a run take turns until something is the case."""
    async with asyncio.timeout(30):
        while not condition():
            run.keeper._next_s = min(run.keeper._next_s, run.clock())
            await asyncio.sleep(0)
            await run.keeper.settled()


async def fill_up(run, fill):
    """Fill the disk, until a write fails."""
    run.keeper.EVERY_S = 0.0
    await asyncio.to_thread(fill)
    await until(lambda: run.keeper.trouble, run)


async def weigh_for_ever(run):
    while True:  # small entries find room for a while
        await run.ask({"type": "set_weight", "vm": "one", "weight": 70})


async def test_on_a_full_disk_a_run_stands_still_says_so_and_goes_on_when_there_is_space(lab, disk):
    fill, make_room = disk
    run = await registry.run_for(lab.pk)
    browser = Browser(run)
    run.enter(browser.seat)
    await run.ask({"type": "set_weight", "vm": "one", "weight": 70})
    await run.ask({"type": "play"})
    await fill_up(run, fill)
    assert run.status == "paused"
    stood_at, hashed = run.tick, replay.state_hash(run.machine)
    async with asyncio.timeout(30):
        while 0 not in browser.pictures or browser.state["message"] != FULL_DISK:
            await asyncio.sleep(0)
            await browser.drain()
    with pytest.raises(ValueError, match="not done: the disk of the server is full"):
        await weigh_for_ever(run)
    assert run.tick == stood_at
    journaled = await JournalEntry.objects.acount()
    assert journaled == run.journal.last
    await asyncio.to_thread(make_room)
    await until(lambda: run.status == "playing", run)
    assert run.keeper.trouble == ""
    await run.ask({"type": "pause"})
    assert run.tick >= stood_at
    recording = await store.recording(run.run_id)
    bare = replay.Recording(1, recording.scenario, recording.entries)
    machine = await asyncio.to_thread(replay.machine_at, bare, stood_at, 2)
    assert replay.state_hash(machine) == hashed
    assert await asyncio.to_thread(pragma, "integrity_check") == "ok"


async def test_what_was_kept_before_the_disk_was_full_is_whole(lab, disk):
    fill, _make_room = disk
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "step", "ticks": 50})
    await run.rested()
    await run.keeper.finish()
    await run.ask({"type": "play"})
    await fill_up(run, fill)
    recording = await store.recording(run.run_id)
    for kept in await asyncio.to_thread(lambda: list(recording.checkpoints(1 << 60, None))):
        bare = replay.Recording(1, recording.scenario, recording.entries)
        machine = await asyncio.to_thread(replay.machine_at, bare, kept.tick, kept.sequence)
        assert replay.state_hash(replay.load(kept.state)) == replay.state_hash(machine)


async def test_while_another_program_holds_the_database_commands_wait_and_none_is_lost(lab):
    run = await registry.run_for(lab.pk)
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asked = [
        asyncio.create_task(run.ask({"type": "set_weight", "vm": "one", "weight": 10 + number}))
        for number in range(5)
    ]
    done, _waiting = await asyncio.wait(asked, timeout=0.5)
    assert done == set()
    assert int(run.machine.state.vm["weight"][0]) != 10
    other.execute("ROLLBACK")
    other.close()
    await asyncio.gather(*asked)
    assert int(run.machine.state.vm["weight"][0]) == 14
    weights = [e.command["weight"] async for e in JournalEntry.objects.order_by("sequence")]
    assert weights == [10, 11, 12, 13, 14]


def test_the_database_is_waited_for_longer_than_ten_seconds():
    assert django_settings.DATABASES["default"]["OPTIONS"]["timeout"] >= 20


async def test_a_commit_of_the_journal_waits_for_the_disk_and_others_need_not(lab):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "step", "ticks": 1})
    full, normal = 2, 1
    assert writer._thread.submit(pragma, "synchronous").result() == full
    await run.rested()
    await run.keeper.finish()
    assert keeping._thread.submit(pragma, "synchronous").result() == normal


async def test_a_clock_that_is_set_back_changes_nothing_in_a_run(lab, monkeypatch):
    run = await registry.run_for(lab.pk)
    await run.ask({"type": "speed", "ticks_per_s": 1000})
    await run.ask({"type": "play"})
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() - 3600)
    await run.ask({"type": "set_weight", "vm": "one", "weight": 70})
    await run.ask({"type": "run_to", "tick": run.tick + 100})
    await run.rested()
    hashed = replay.state_hash(run.machine)
    await registry.stop(lab.pk)
    times = [entry.at async for entry in JournalEntry.objects.order_by("sequence")]
    assert times[-1] < times[0]
    again = await registry.run_for(lab.pk)
    assert replay.state_hash(again.machine) == hashed
    assert (await RunRow.objects.aget()).tick == again.tick
    assert await Checkpoint.objects.aexists()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite3.OperationalError("database or disk is full"), FULL),
        (sqlite3.OperationalError("disk I/O error"), FULL),
        (OSError(28, "No space left on device"), FULL),
        (sqlite3.OperationalError("database is locked"), LOCKED),
        (ValueError("something else"), OTHER),
    ],
)
def test_what_is_the_matter_is_told_apart(error, kind):
    assert kind_of(error) == kind
