"""Which checkpoints are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vms.live.thinning import AGES, GAP_S, NEWEST, Point, superfluous


def kept_of(seconds, budget=1 << 40, sizes=1, run=1):
    """Return the seconds that are left when checkpoints come one after the other."""
    points = []
    for number, at in enumerate(seconds):
        points.append(Point(number, run, at, sizes))
        gone = set(superfluous(points, budget, run))
        points = [point for point in points if point.pk not in gone]
    return [point.seconds for point in points]


def test_a_young_run_keeps_all_of_them():
    seconds = [GAP_S * number for number in range(1, 100)]
    assert kept_of(seconds) == seconds


def test_no_gap_of_a_long_run_is_larger_than_its_age_allows():
    seconds = [GAP_S * number for number in range(1, 4000)]
    kept = kept_of(seconds)
    head = kept[-1]
    for before, after in zip([0.0, *kept], kept, strict=False):
        assert after - before <= max(2 * GAP_S, 2 * (head - before) / AGES)
    assert len(kept) < 800


def test_a_run_that_hardly_computes_keeps_few():
    kept = kept_of([0.001 * number for number in range(1, 2000)])
    assert len(kept) < 20
    assert kept[-1] == pytest.approx(1.999)


@given(st.lists(st.floats(0.01, 2), min_size=1, max_size=60), st.integers(1, 40))
def test_the_budget_holds_and_the_newest_are_kept(steps, budget):
    seconds, at = [], 0.0
    for step in steps:
        at += step
        seconds.append(at)
    kept = kept_of(seconds, budget=budget)
    assert len(kept) <= max(budget, NEWEST)
    assert kept[-NEWEST:] == seconds[-NEWEST:]


def test_the_newest_is_kept_although_it_is_larger_than_the_budget():
    assert kept_of([1.0, 2.0, 3.0], budget=10, sizes=100) == [2.0, 3.0]


def test_where_room_is_short_the_runs_that_sleep_give_way():
    points = [Point(n, 1, GAP_S * 3 * (n + 1), 1) for n in range(20)]
    points += [Point(100 + n, 2, GAP_S * 3 * (n + 1), 1) for n in range(20)]
    gone = superfluous(points, 26, current=2)
    assert len(gone) == 14
    assert all(pk < 100 for pk in gone)
