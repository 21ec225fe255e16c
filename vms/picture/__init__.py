"""The first picture of a lab: what the templates draw before, or without, any script.

Everything is read from the machine's tables (or, where none is alive, from the scenario) into
plain dicts; SVG shapes are given in units of their view box. Reading goes on beside a machine
that may be running: a picture may mix two neighbouring ticks, never more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import Scenario
from vms.engine.schedulers import SCHEDULERS
from vms.picture.lanes import Slice, lanes
from vms.picture.live import alive
from vms.picture.rest import at_rest
from vms.picture.shown import Picture

if TYPE_CHECKING:  # importing it wakes Numba
    from vms.engine.machine import Machine

__all__ = ["Picture", "first_picture", "law_words", "speeds"]

SPEEDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000)
"""Ticks a second."""


def first_picture(
    machine: Machine | None,
    scenario: Scenario,
    slices: Sequence[Sequence[Slice]] | None = None,
) -> Picture:
    """Return what the lab screen shows first; without a machine: the lab at rest, before tick 0.

    `slices` are the last stays on each pCPU, oldest first, as a live run keeps them.
    """
    picture = at_rest(scenario) if machine is None else alive(machine)
    picture["lanes"] = lanes(machine, picture, slices)
    picture["laws"] = laws(machine)
    picture["speeds"] = speeds(scenario.tick_us)
    picture["schedulers"] = policies(SCHEDULERS)
    picture["replacements"] = policies(REPLACEMENTS)
    picture["scheduler_label"] = label(picture["scheduler"])
    return picture


def speeds(tick_us: int) -> list[dict[str, Any]]:
    """Return the speeds on offer in three groups; real time is 10⁶ / `tick_us` ticks a second."""
    real = 1_000_000 // tick_us
    slow = [n for n in SPEEDS if n < real]
    fast = [n for n in SPEEDS if n > real]
    groups = [(_("Slow motion"), slow), (_("Real time"), [real]), (_("Faster"), fast)]
    return [{"title": title, "speeds": group} for title, group in groups if group]


def policies(registry: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the policies of a registry as a control offers them."""
    return [
        {"name": name, "label": label(name), "summary": _(summary)}
        for name, summary in registry.items()
    ]


def label(name: str) -> str:
    """Return a policy's name as it is read."""
    return name.replace("_", " ")


def laws(machine: Machine | None) -> list[dict[str, Any]]:
    """Return the laws that apply, in words, and whether they hold; none before the first tick."""
    if machine is None:
        return []
    from vms.engine.laws import check  # noqa: PLC0415 - reads the whole engine, only needed here

    words = law_words()
    return [{**words[name], "holds": holds} for name, holds in check(machine, cheap=True).items()]


def law_words() -> dict[str, dict[str, str]]:
    """Return title and formula of every law, and the unit of measured ones, translated."""
    from vms.engine.laws import (  # noqa: PLC0415 - reads the whole engine, only needed here
        LAWS,
        MEASURES,
    )

    words = {name: {"title": _(law.title), "formula": _(law.formula)} for name, law in LAWS.items()}
    return words | {
        name: {"title": _(one.title), "formula": _(one.formula), "unit": _(one.unit)}
        for name, one in MEASURES.items()
    }
