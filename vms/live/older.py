"""In words, how a run that another engine made came out in this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext

from vms.engine import VERSION
from vms.engine.metrics import result
from vms.live.compare import numbers

if TYPE_CHECKING:
    from vms.engine.machine import Machine
    from vms.live.replay import Recording

TOLD = 3
"""Figures that are told; of more, how many."""


def told(recording: Recording, machine: Machine) -> str:
    """Return the notice of a run, given its machine of this engine where it was written last."""
    values = {"before": recording.engine_version, "now": VERSION, "tick": recording.written}
    if machine.event_hash == recording.event_hash:
        return (
            gettext(
                "This run was made by engine %(before)s and played again by engine %(now)s: every "
                "event up to tick %(tick)s is the same."
            )
            % values
        )
    words = gettext(
        "This run was made by engine %(before)s and played again by engine %(now)s, which does "
        "not agree on the events up to tick %(tick)s. %(figures)s What you see is what engine "
        "%(now)s makes of it."
    )
    return words % (values | {"figures": _figures(recording, machine)})


def _figures(recording: Recording, machine: Machine) -> str:
    """Return which figures differ, as far as the result of before is of the same tick."""
    before = recording.result
    if before is None or before.get("ticks") != machine.now:
        return gettext("Its figures of that tick were not kept.")
    old, new = dict(numbers(before)), dict(numbers(result(machine)))
    both = [path for path in old if path in new and old[path] != new[path]]
    if not both:
        return gettext("All figures known to both are the same, their order in time is not.")
    listed = "; ".join(
        gettext("%(path)s: %(old)s then, %(new)s now")
        % {"path": path, "old": old[path], "new": new[path]}
        for path in both[:TOLD]
    )
    values = {"count": len(both), "listed": listed}
    if len(both) > TOLD:
        return gettext("%(count)s figures differ, among them %(listed)s.") % values
    return gettext("What differs: %(listed)s.") % values
