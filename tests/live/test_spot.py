"""What is done on the event loop and what in a thread; chores of many labs."""

from __future__ import annotations

import threading
import time

import pytest

from tests.live.conftest import started
from tests.live.doubles import MemoryStore, first_steps
from vms.live.chores import FORGOTTEN_S, Chores
from vms.live.spot import MOST_S, Spot

pytestmark = pytest.mark.interpreted


def busy(seconds: float) -> str:
    """Use a processor for so long; return the thread that did."""
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass
    return threading.current_thread().name


def test_what_nobody_knows_yet_is_not_done_on_the_loop():
    assert not Spot().fits()


def test_what_was_short_fits_and_what_was_long_does_not():
    short, long = Spot(), Spot()
    short.learning(busy)(0.0)
    long.learning(busy)(2 * MOST_S)
    assert short.fits()
    assert not long.fits()


def test_many_units_of_what_is_short_are_long():
    spot = Spot()
    spot.learning(busy, 10)(MOST_S / 2)
    assert spot.fits(10)
    assert not spot.fits(10_000)


def test_what_fails_is_learnt_from_too():
    spot = Spot()
    with pytest.raises(TypeError):
        spot.learning(busy)("long")
    assert spot.fits()


async def test_a_run_does_what_is_short_on_the_loop_and_what_is_long_in_a_thread(clock, executor):
    run = await started(MemoryStore(first_steps()), clock, executor)
    spot, here = Spot(), threading.current_thread().name
    assert await run.soon(spot, 1, busy, 0.0) != here
    assert await run.soon(spot, 1, busy, 10 * MOST_S) == here, "it was short so far"
    assert await run.soon(spot, 1, busy, 0.0) != here


def test_the_more_labs_there_are_the_rarer_the_chores_of_each():
    now_s = [0.0]
    chores, labs = Chores(0.1, lambda: now_s[0]), [Chores(1.0) for _ in range(10)]
    waits = [chores.wait_s(lab, 0.01) for lab in labs]
    assert waits[0] == pytest.approx(0.1)
    assert waits[-1] == pytest.approx(1.0)
    now_s[0] += FORGOTTEN_S + 1
    assert chores.wait_s(labs[0], 0.01) == pytest.approx(0.1), "the others have not come again"


def test_a_lab_that_is_gone_does_not_count():
    chores, lab = Chores(0.1), Chores(1.0)
    chores.wait_s(lab, 1.0)
    del lab
    other = Chores(1.0)
    assert chores.wait_s(other, 0.01) == pytest.approx(0.1)
