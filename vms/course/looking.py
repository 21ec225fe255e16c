"""Looking at a lab's machine as it is now, whether or not the lab is alive."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from vms import alive
from vms.engine.scenario import Scenario
from vms.live import store, threads
from vms.live.store.recording import recording_of
from vms.models import Lab

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

T = TypeVar("T")


def looked(lab: Lab, function: Callable[[Machine], T]) -> T:
    """Return `function(machine)` of a lab: alive, where it rests, or as its rows would begin.

    Raises EngineError where its rows make no scenario, or its run cannot be played.
    """
    found = alive.read(lab.pk, function)
    if found is not None:
        return found
    from vms.engine.machine import build  # noqa: PLC0415  (wakes Numba)
    from vms.live.replay import machine_at  # noqa: PLC0415

    if lab.current_id is None:
        files = {row.name: bytes(row.content) for row in lab.files.all()}
        scenario = Scenario.parse(store.scenario_of(lab))
        return function(build(scenario, files.__getitem__ if files else None))
    recording = recording_of(lab.current_id)

    def replayed() -> T:
        return function(machine_at(recording, recording.tick))

    return threads.replaying().submit(replayed).result()
