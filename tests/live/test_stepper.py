"""What an engine thread does in one chunk."""

import numpy as np
import pytest

from tests.live.doubles import Clock, busy_lab, first_steps
from vms.engine.machine import build
from vms.engine.scenario import Scenario
from vms.engine.seek import Stop
from vms.engine.tick import advance
from vms.live.stepper import step, step_until
from vms.live.wire.encode import Encoder
from vms.live.wire.picture import Picture


class Machine:
    """A machine that has `in_tick` so many times before its tick is done."""

    def __init__(self, interruptions):
        self.interruptions = interruptions
        self.advanced = []

    @property
    def in_tick(self):
        return self.interruptions > 0

    def drain(self):
        return np.zeros(2)


class Collected(list[int]):
    def collect(self, events):
        self.append(len(events))


def test_a_tick_that_a_full_event_ring_interrupted_is_brought_to_its_end(monkeypatch):
    machine, encoder = Machine(interruptions=2), Collected()

    def interrupted(machine, ticks):
        machine.advanced.append(ticks)
        machine.interruptions -= len(machine.advanced) > 1
        return 0 if machine.in_tick else 1

    monkeypatch.setattr("vms.live.stepper.advance", interrupted)
    done = step(machine, encoder, 1, Clock())
    assert machine.advanced == [1, 1, 1]
    assert (done.ticks, done.events) == (1, 6)
    assert encoder == [2, 2, 2]


@pytest.mark.parametrize("data", [first_steps(), busy_lab()], ids=["first steps", "busy"])
def test_to_the_next_event_is_as_far_as_stepping_by_hand(data):
    machine, by_hand = (build(Scenario.parse(data)) for _ in range(2))
    encoder = Encoder(machine, Picture())
    for _ in range(20):
        done = step_until(machine, encoder, 1_000, Clock(), Stop(""))
        expected = 0
        while not expected:
            advance(by_hand, 1)
            expected = len(by_hand.drain())
        assert (machine.now, done.events) == (by_hand.now, expected)


def test_to_the_next_event_gives_up_after_so_many_ticks():
    data = first_steps(host={"scheduler": {"policy": "fcfs"}})
    machine = build(Scenario.parse(data))
    done = step_until(machine, Encoder(machine, Picture()), 4, Clock(), Stop(""))
    assert (done.ticks, done.events) == (4, 0)


def test_to_the_next_event_of_a_machine_that_is_over_is_nowhere():
    data = first_steps()
    for vm in data["vms"]:
        vm["workload"] = {"repeat": 1, "steps": [{"compute": 1}]}
    machine = build(Scenario.parse(data))
    encoder = Encoder(machine, Picture())
    step(machine, encoder, 100, Clock())
    assert machine.ended
    assert step_until(machine, encoder, 100, Clock(), Stop("")).ticks == 0
