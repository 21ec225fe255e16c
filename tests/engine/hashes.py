"""Run scenarios and storms of commands, and print what came of them.

Reads JSON on standard input, {"scenarios": [[scenario, ticks] …], "storms": [seed …]}, and prints a
list of [hash, result].  Started with NUMBA_DISABLE_JIT=1 by the test that compares the two ways of
running the engine.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

from tests.engine import test_storm
from tests.engine.plain import Event
from tests.engine.running import built, engine_run, run
from vms.engine import metrics
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.machine import Machine


def after_a_storm(seed: int, cap: int | None = None, single: bool = False) -> tuple[Any, list[Any]]:
    """Return a machine after 20 commands, asked for at random ticks, and all that was logged.

    `cap` = 1 lets no tick be skipped; `single` advances tick by tick.
    """
    draw = random.Random(seed)
    machine = built(test_storm.scenario(draw))
    if cap:
        machine.state.host["cap"] = cap
    story: list[Any] = []
    for number in range(20):
        go_on(machine, draw.choice([0, 1, 2, 17, 60]), single, story)
        asked = test_storm.command(draw, machine, number)
        try:
            parse(asked).apply(machine)
        except EngineError as refusal:
            story.append((machine.now, asked["type"], str(refusal)))
        else:
            story.append((machine.now, asked["type"], "applied"))
    go_on(machine, 150, single, story)
    return machine, story


def go_on(machine: Machine, ticks: int, single: bool, story: list[Any]) -> None:
    events: list[Event] = []
    for chunk in [1] * ticks if single else [ticks]:
        run(machine, chunk, events)
    story += events


def main() -> None:
    """Answer what was asked on standard input."""
    asked = json.load(sys.stdin)
    machines = [engine_run(raw, ticks)[0] for raw, ticks in asked["scenarios"]]
    machines += [after_a_storm(seed)[0] for seed in asked["storms"]]
    answers = [[machine.event_hash, metrics.result(machine)] for machine in machines]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
