"""What a class answered in its prediction rounds: by question, by student, by misconception."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms import audit
from vms.beliefs import belief_name, question_of
from vms.models import Lab, Round, Vote
from vms.permissions import LEAD, Access, lab_view
from vms.views.talk import row_of_csv

JSON = dict[str, Any]
COLUMNS = (
    "round",
    "asked at",
    "run",
    "tick",
    "kind",
    "truth",
    "name",
    "choice",
    "right",
    "misconception",
    "answered at",
)


@require_safe
@never_cache
@lab_view(LEAD)
def lab_rounds(request: HttpRequest, access: Access) -> HttpResponseBase:
    """Show the statistics of a lab's rounds, or return every answer as CSV (`?format=csv`).

    Only what was revealed is told: a question that is open stays one for instructors, too.
    """
    if request.GET.get("format") == "csv":
        audit.record(audit.Kind.EXPORT, "rounds csv", access.visitor, access.lab.pk)
        response = StreamingHttpResponse(rows(access.lab), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="predictions.csv"'
        return response
    context = {
        "lab": access.lab,
        "rounds": by_round(access.lab),
        "students": by_student(access.lab),
        "beliefs": by_belief(access.lab),
    }
    return render(request, "vms/rounds.html", context)


def revealed(lab: Lab) -> Any:
    """Return the rounds whose truth everybody knows, in their order."""
    return Round.objects.filter(lab=lab, state=Round.State.REVEALED).select_related("run")


def answers(lab: Lab) -> Any:
    """Return the answers given in them."""
    return Vote.objects.filter(round__lab=lab, round__state=Round.State.REVEALED)


def by_round(lab: Lab) -> list[JSON]:
    """Return each question with how many answered it rightly, and the answers by frequency."""
    told = []
    for row in revealed(lab).prefetch_related(Prefetch("votes")):
        votes = list(row.votes.all())
        counts = Counter(vote.choice for vote in votes)
        truth = (row.truth or {}).get("choice", "")
        told.append(
            {
                "row": row,
                "question": question_of(row.kind, row.question),
                "truth": truth,
                "answers": [
                    {"choice": choice, "n": n, "right": choice == truth}
                    for choice, n in counts.most_common()
                ],
                "n": len(votes),
                "right": counts.get(truth, 0),
            }
        )
    return told


def by_student(lab: Lab) -> list[JSON]:
    """Return who answered: how often, how often rightly, and what they believed most often."""
    beliefs: dict[tuple[Any, Any, str], Counter[str]] = defaultdict(Counter)
    totals: dict[tuple[Any, Any, str], list[int]] = defaultdict(lambda: [0, 0])
    names: dict[tuple[Any, Any, str], str] = {}
    for vote in answers(lab).order_by("at"):
        key = vote.user_id, vote.guest_id, "" if vote.user_id or vote.guest_id else vote.name
        names[key] = vote.name
        totals[key][0] += 1
        totals[key][1] += bool(vote.right)
        if vote.misconception:
            beliefs[key][vote.misconception] += 1
    told = [
        {
            "name": names[key],
            "answers": n,
            "right": right,
            "percent": round(100 * right / n),
            "beliefs": [
                {"name": belief_name(belief), "n": times}
                for belief, times in beliefs[key].most_common(3)
            ],
        }
        for key, (n, right) in totals.items()
    ]
    return sorted(told, key=lambda student: (student["percent"], student["name"]))


def by_belief(lab: Lab) -> list[JSON]:
    """Return what wrong answers have in common: the rules under which they would be right."""
    wrong = answers(lab).filter(right=False)
    counted = (
        wrong.order_by()
        .values("misconception")
        .annotate(n=Count("pk"), people=Count("name", distinct=True, filter=Q(name__gt="")))
    )
    return [
        {"name": belief_name(row["misconception"]), "n": row["n"], "people": row["people"]}
        for row in sorted(counted, key=lambda row: -row["n"])
    ]


def rows(lab: Lab) -> Iterator[str]:
    """Return every answer as a row of CSV."""
    yield row_of_csv(COLUMNS)
    for vote in answers(lab).select_related("round__run").order_by("round", "pk").iterator(500):
        yield row_of_csv(_row(vote))


def _row(vote: Vote) -> Iterable[Any]:
    asked = vote.round
    return (
        asked.pk,
        asked.at.isoformat(),
        asked.run.number if asked.run else "",
        asked.tick,
        asked.kind,
        (asked.truth or {}).get("choice", ""),
        vote.name,
        vote.choice,
        "" if vote.right is None else int(vote.right),
        vote.misconception,
        vote.at.isoformat(),
    )
