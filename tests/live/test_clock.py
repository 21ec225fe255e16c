"""Simulated time against a clock that the test moves."""

import pytest

from vms.live.clock import Chunk, Pace


@pytest.fixture
def pace():
    started = Pace(100)
    started.start(10.0, 1_000)
    return started


def test_ticks_fall_due_as_time_passes(pace):
    assert [pace.due(10.0 + s, 1_000) for s in (0, 0.005, 0.01, 0.5)] == [0, 0, 1, 50]


def test_ticks_that_were_run_are_not_due_again(pace):
    assert pace.due(10.5, 1_050) == 0
    assert pace.due(10.6, 1_050) == 10


def test_it_knows_when_the_next_tick_is_due(pace):
    assert pace.next_tick_s(10.0, 1_000) == pytest.approx(0.01)
    assert pace.next_tick_s(10.004, 1_000) == pytest.approx(0.006)
    assert pace.next_tick_s(11.0, 1_000) == 0


def test_it_says_how_late_the_machine_is(pace):
    assert pace.behind_ms(10.5, 1_040) == 100
    assert pace.behind_ms(10.5, 1_050) == 0


def test_what_cannot_be_caught_up_within_a_second_is_given_up(pace):
    assert pace.due(20.0, 1_000) == 100
    assert pace.behind_ms(20.0, 1_000) == 1_000
    assert pace.due(20.0, 1_100) == 0


def test_at_one_tick_a_second_one_tick_may_be_late():
    pace = Pace(1)
    pace.start(0.0, 0)
    assert pace.due(0.9, 0) == 0
    assert pace.due(7.0, 0) == 1


def test_another_speed_begins_with_nothing_due(pace):
    pace.set_speed(1_000, 10.5, 1_020)
    assert pace.due(10.5, 1_020) == 0
    assert pace.due(10.6, 1_020) == 100


def test_flat_out_is_never_late():
    pace = Pace(0)
    pace.start(0.0, 0)
    assert pace.behind_ms(5.0, 3) == 0
    assert pace.next_tick_s(5.0, 3) == 0


def test_the_rate_is_that_of_the_last_marks(pace):
    rates = [pace.mark(10.0 + n / 20, 1_000 + 7 * n) for n in range(50)]
    assert rates[0] == 0
    assert set(rates[1:]) == {140}


def test_a_chunk_grows_until_it_takes_ten_milliseconds_and_no_longer():
    chunk = Chunk()
    for _ in range(30):
        chunk.took(chunk.ticks, chunk.ticks / 1_000_000)
    assert 0.005 <= chunk.ticks / 1_000_000 <= 0.0125


def test_a_chunk_shrinks_at_once_when_the_machine_becomes_slow():
    chunk = Chunk()
    chunk.ticks = 10_000
    chunk.took(10_000, 1.0)
    assert chunk.ticks == 5_000
    for _ in range(10):
        chunk.took(chunk.ticks, chunk.ticks / 10_000)
    assert chunk.ticks / 10_000 <= 0.0125


def test_a_chunk_that_was_cut_short_says_nothing_about_growing():
    chunk = Chunk()
    before = chunk.ticks
    chunk.took(1, 0.000_001)
    assert chunk.ticks == before


def test_a_chunk_is_one_tick_at_least_however_slow():
    chunk = Chunk()
    for _ in range(80):
        chunk.took(chunk.ticks, 60.0)
    assert chunk.ticks == 1
