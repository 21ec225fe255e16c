"""What both kinds of picture share: how a VM is named on the screen, and the words for flags."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from vms.engine.tables import ACCESSED, DIRTY, PRESENT, SHARED, SWAPPED, WRITABLE

Picture = dict[str, Any]
COLOURS = 8
ROWS = 100
"""VMs and virtual devices listed at most."""


def badges(names: Sequence[str]) -> list[str]:
    """Return the letters that stand for each VM: short, no two alike.

    The same rule as `chooseLetters` in static/js/colours.js: the first letter; where several
    share it, with the name's number; else the first two letters; else the row in base 36.
    """
    first = [name[:1].upper() or "?" for name in names]
    sharing = Counter(first)
    taken = {letter for letter in first if sharing[letter] == 1}
    letters = []
    for row, name in enumerate(names):
        if sharing[first[row]] > 1:
            number = re.search(r"([0-9]+)$", name)
            tries = [first[row] + number[1]] if number and len(number[1]) < 3 else []
            tries += [name[:2], np.base_repr(row, 36).lower()]
            first[row] = next((text for text in tries if text not in taken), f"{tries[-1]}'")
            taken.add(first[row])
        letters.append(first[row])
    return letters


def shown_vm(row: int, name: str, letters: str, **more: Any) -> dict[str, Any]:
    """Return a VM as templates name it, with `more` facts about it."""
    if "state" in more:
        more["state_words"] = state_words(more["state"])
    return {"row": row, "name": name, "letters": letters, "colour": row % COLOURS, **more}


def state_words(state: str) -> str:
    """Return a run state, or the power state of a VM that is not on, in words."""
    words = {
        "running": _("running"),
        "runnable": _("runnable"),
        "blocked": _("blocked"),
        "offline": _("offline"),
        "paused": _("paused"),
        "stopped": _("stopped"),
        "crashed": _("crashed"),
    }
    return words.get(state, state)


def flag_words(flags: int) -> str:
    """Return the flags of a page table entry in words."""
    if not flags & PRESENT:
        return _("swapped") if flags & SWAPPED else _("never used")
    words = {
        PRESENT: _("present"),
        WRITABLE: _("writable"),
        ACCESSED: _("accessed"),
        DIRTY: _("dirty"),
        SHARED: _("shared"),
    }
    return ", ".join(word for bit, word in words.items() if flags & bit)
