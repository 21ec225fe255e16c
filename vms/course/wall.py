"""The instructor's wall: every copy of a lab as a tile, who needs help first.

What runs that are alive show their viewers anyway is all that is read here: no machine is asked,
no run is woken. Copies that sleep are told as they were written back.
"""

from __future__ import annotations

import datetime
from collections import OrderedDict
from typing import Any

from django.conf import settings
from django.db.models import Count, Max
from django.utils import timezone

from vms import alive
from vms.course.copies import copies_of, names_in
from vms.course.thumbnail import memory, strip
from vms.models import Assignment, JournalEntry, Lab, Run, Submission

JSON = dict[str, Any]

STUCK, IDLE, NEW, WORKS, DONE = "stuck", "idle", "new", "works", "done"
NEEDS = (STUCK, IDLE, NEW, WORKS, DONE)
"""In the order in which they are shown."""
MOST_KEPT = 1_000

_pictures: OrderedDict[str, tuple[object, JSON]] = OrderedDict()
_judged: OrderedDict[int, tuple[object, list[JSON]]] = OrderedDict()


def tiles(lab: Lab, assignment: Assignment | None, stuck_m: int | None = None) -> list[JSON]:
    """Return a tile for each copy of `lab` (for an assignment, if given), most in need first.

    Five queries, however many copies.
    """
    stuck_s = 60 * (settings.VMLAB_STUCK_MINUTES if stuck_m is None else stuck_m)
    found: Any = copies_of(lab, assignment)
    rows = list(found.select_related("assignment", "current").defer("current__scenario"))
    keys = [copy.pk for copy in rows]
    names = names_in(rows)
    asked = _last_asked(rows, names)
    handed = _handed_in(keys)
    now = timezone.now()
    made = [
        _tile(copy, asked.get(copy.pk), handed.get(copy.pk), now, stuck_s)
        | {"student": names[copy.pk]}
        for copy in rows
    ]
    return sorted(made, key=_order)


def _order(tile: JSON) -> tuple[int, float, str]:
    return NEEDS.index(tile["need"]), -tile["quiet_s"], tile["student"].casefold()


def _last_asked(copies: list[Lab], names: dict[Any, str]) -> dict[Any, datetime.datetime]:
    """Return when each student last asked something of their copy that was not refused.

    What instructors did in it, or what it was copied with, is no activity of the student's.
    """
    entries = JournalEntry.objects.filter(run__lab__in=names).exclude(accepted=False)
    rows = entries.order_by().values_list("run__lab", "user", "name")
    last = {row[:3]: row[3] for row in rows.annotate(last=Max("at"))}
    found = {}
    for copy in copies:
        user = int(copy.student[1:]) if copy.student.startswith("u") else None
        own = [
            at
            for (lab, by, name), at in last.items()
            if lab == copy.pk and by == user and (user is not None or name == names[copy.pk])
        ]
        if own:
            found[copy.pk] = max(own)
    return found


def _handed_in(keys: list[Any]) -> dict[Any, JSON]:
    rows = Submission.objects.filter(lab__in=keys).order_by().values("lab")
    found = rows.annotate(n=Count("pk"), points=Max("points"), most=Max("most"), last=Max("at"))
    return {row["lab"]: dict(row) for row in found}


def _tile(
    copy: Lab,
    asked: datetime.datetime | None,
    handed: JSON | None,
    now: datetime.datetime,
    stuck_s: int,
) -> JSON:
    run = alive.run_of(copy.pk)
    goals = _goals(copy, run)
    gained = run.stage.sampler.scores.gained_s if run is not None else None
    quiet_s = _quiet_s(copy, asked, gained, now)
    tile = {
        "id": str(copy.pk),
        "lab": copy.name,
        "status": run.status if run is not None else "asleep",
        "tick": run.tick if run is not None else (copy.current.tick if copy.current else 0),
        "viewers": run.viewers if run is not None else 0,
        "goals": [{"text": goal["text"], "met": goal["met"]} for goal in goals],
        "quiet_s": int(quiet_s),
        "begun": asked is not None,
        "handed_in": handed["n"] if handed else 0,
        "points": float(handed["points"]) if handed and handed["points"] is not None else None,
        "most": float(handed["most"]) if handed and handed["most"] is not None else None,
        "picture": _picture(copy, run),
    }
    return tile | {"need": _need(tile, stuck_s)}


def _need(tile: JSON, stuck_s: int) -> str:
    goals = tile["goals"]
    if goals and all(goal["met"] for goal in goals) and tile["begun"]:
        return DONE
    if not tile["begun"]:
        return NEW
    if tile["quiet_s"] >= stuck_s:
        return STUCK
    return IDLE if 2 * tile["quiet_s"] >= stuck_s else WORKS


def _quiet_s(
    copy: Lab,
    asked: datetime.datetime | None,
    gained: float | None,
    now: datetime.datetime,
) -> float:
    """Return for how many seconds nothing was done in a copy and no goal was gained."""
    last = max(asked or copy.created, copy.created).timestamp()
    return max(0.0, now.timestamp() - max(last, gained or 0.0))


def _goals(copy: Lab, run: Any) -> list[JSON]:
    """Return the goals of a copy, and whether each is met: as shown, or of the last result."""
    if copy.assignment is None:
        return []
    goals: list[JSON] = copy.assignment.goals
    shown = run.stage.sampler.scores.rows if run is not None else _at_rest(copy, goals)
    if len(shown) != len(goals):
        return [goal | {"met": False} for goal in goals]
    return list(shown)


def _at_rest(copy: Lab, goals: list[JSON]) -> list[JSON]:
    """Return how the goals stand in the result that was written back last."""
    run = copy.current
    if run is None or run.result is None:
        return []
    key = (run.written, str(goals))
    there = _judged.get(run.pk)
    if there is None or there[0] != key:
        there = _judged[run.pk] = key, [goal | {"met": _met(goal, run)} for goal in goals]
        while len(_judged) > MOST_KEPT:
            _judged.popitem(last=False)
    return there[1]


def _met(goal: JSON, run: Run) -> bool:
    from vms.live.scores import met_in  # noqa: PLC0415  (wakes Numba)

    return met_in(goal["condition"], run.result or {})


def _picture(copy: Lab, run: Any) -> JSON | None:
    """Return the thumbnail of a copy; drawn once for each sample, and kept when it sleeps."""
    key = str(copy.pk)
    if run is None:
        return _pictures[key][1] if key in _pictures else None
    shown, version = run.stage.shown.picture, (run.run_id, run.tick, run.stage.topic.version)
    if key not in _pictures or _pictures[key][0] != version:
        meta = shown.documents.get("meta")
        if not meta:
            return None
        tables = shown.tables
        picture = {
            "strip": strip(
                tables["slices"], [v["vm"] for v in meta["vcpus"]], meta["pcpus"], run.tick
            ),
            "map": memory(tables["frames"]["value"]),
        }
        _pictures[key] = version, picture
        while len(_pictures) > MOST_KEPT:
            _pictures.popitem(last=False)
    return _pictures[key][1]
