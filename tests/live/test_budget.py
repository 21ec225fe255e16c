"""How samples are dealt to labs, by the cost of sending them."""

from __future__ import annotations

from dataclasses import dataclass

from vms.live.budget import FULL_S, LATE_S, LEAST_SHARE, SHARE, SLOW_S, Budget

OWN = 6
"""What making a sample costs, in sendings."""


@dataclass(eq=False)
class Lab:
    """A lab that is shown to so many."""

    viewers: int
    slow: bool = False

    @property
    def per_s(self) -> float:
        return 1 / (SLOW_S if self.slow else FULL_S)


class Loop:
    """A process whose every sending takes the same time, and its clocks."""

    def __init__(self, unit_s: float, other: float = 0.0) -> None:
        self.unit_s, self.now_s, self.spent_s = unit_s, 0.0, 0.0
        self.other = other
        self.budget = Budget(lambda: self.now_s, lambda: self.spent_s)

    def run(self, labs: list[Lab], seconds: int, late_s: float = 0.0) -> float:
        """Show all labs as often as they may be; return the part of a core that it takes."""
        took = 0.0
        for _ in range(seconds):
            samples = [(n / lab.per_s, lab) for lab in labs for n in range(int(lab.per_s))]
            for at_s, lab in _by_time(samples):
                cost_s = self.unit_s * (lab.viewers + OWN)
                self.spent_s += cost_s
                took += cost_s
                self.now_s = max(self.now_s, int(self.now_s) + at_s)
                self.budget.shown(lab, cost_s, late_s)
            self.now_s = int(self.now_s) + 1.0
            self.spent_s += self.other
        return took / seconds


def _by_time(samples: list[tuple[float, Lab]]) -> list[tuple[float, Lab]]:
    return sorted(samples, key=lambda each: each[0])


def the_class() -> list[Lab]:
    return [Lab(200), *(Lab(4) for _ in range(50))]


def test_where_there_is_room_everybody_has_twenty_a_second() -> None:
    labs = the_class()
    Loop(unit_s=10e-6).run(labs, 10)
    assert not any(lab.slow for lab in labs)


def test_where_there_is_none_the_lab_with_most_viewers_stays_quick() -> None:
    labs, loop = the_class(), Loop(unit_s=100e-6)
    loop.run(labs, 5)
    assert not labs[0].slow
    assert sum(lab.slow for lab in labs[1:]) > 25
    assert loop.run(labs, 10) <= SHARE + 0.01


def test_rates_do_not_swing() -> None:
    labs, loop = the_class(), Loop(unit_s=100e-6)
    loop.run(labs, 10)
    slow = [lab.slow for lab in labs]
    for _ in range(20):
        loop.run(labs, 1)
        assert [lab.slow for lab in labs] == slow


def test_when_the_others_leave_a_slow_lab_is_quick_again() -> None:
    labs, loop = the_class(), Loop(unit_s=100e-6)
    loop.run(labs, 5)
    last = labs[-1]
    assert last.slow
    for lab in labs[:-1]:
        loop.budget.leave(lab)
    loop.run([last], 3)
    assert not last.slow


def test_who_comes_late_is_dealt_less_and_more_again_when_on_time() -> None:
    labs, loop = the_class(), Loop(unit_s=30e-6)
    loop.run(labs, 40, late_s=2 * LATE_S)
    assert loop.budget.share == LEAST_SHARE
    assert labs[-1].slow
    loop.run(labs, 60)
    assert loop.budget.share == SHARE


def test_a_lab_that_nobody_watches_takes_no_room() -> None:
    labs, loop = the_class(), Loop(unit_s=100e-6)
    loop.run(labs, 3)
    for lab in labs[1:]:
        lab.viewers = 0
    loop.run(labs, 2)
    loop.run(labs[:1], 2)
    assert not labs[0].slow
    assert list(loop.budget._costs) == [labs[0]]


def test_what_else_the_loop_has_to_do_leaves_less_for_samples() -> None:
    labs = the_class()
    Loop(unit_s=30e-6, other=SHARE).run(labs, 10)
    assert all(lab.slow for lab in labs)
    Loop(unit_s=30e-6).run(labs, 10)
    assert not labs[0].slow
