"""An assignment as its instructor writes it: the text, the rules, and a row for each goal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from vms.course.parts import ALLOWED_AT_FIRST, PARTS
from vms.engine.errors import EngineError
from vms.models import Assignment
from vms.models.assignment import MOST_TEXT
from vms.words import sentence

JSON = dict[str, Any]
Check = Callable[[str], JSON]
MOST_GOALS, MOST_POINTS, MOST_WORDS = 20, 1_000, 200
LATE = [
    (Assignment.Late.REFUSE, gettext_lazy("refused")),
    (Assignment.Late.ACCEPT, gettext_lazy("accepted")),
    (Assignment.Late.LESS, gettext_lazy("accepted for fewer points")),
]


class LocalTime(forms.DateTimeInput):
    """A field of the browser's own for a day and a time."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class AssignmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """Everything but the goals."""

    begins = forms.ChoiceField(
        label=gettext_lazy("Copies begin"),
        choices=[
            ("now", gettext_lazy("where this lab is now")),
            ("zero", gettext_lazy("at tick 0, with the lab as it is at rest")),
        ],
    )
    may_change = forms.MultipleChoiceField(
        label=gettext_lazy("Students may change"),
        choices=list(PARTS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        initial=list(ALLOWED_AT_FIRST),
        help_text=gettext_lazy("Whoever changes something else gets no points, and reads why."),
    )
    opens = forms.DateTimeField(label=gettext_lazy("Opens"), required=False, widget=LocalTime())
    deadline = forms.DateTimeField(
        label=gettext_lazy("Deadline"), required=False, widget=LocalTime()
    )
    late = forms.ChoiceField(label=gettext_lazy("After the deadline"), choices=LATE)
    late_percent = forms.IntegerField(
        label=gettext_lazy("Per cent less a day"), min_value=1, max_value=100, initial=10
    )
    attempts = forms.IntegerField(
        label=gettext_lazy("Attempts"),
        required=False,
        min_value=1,
        max_value=1_000,
        help_text=gettext_lazy("Nothing: any number. The best one counts."),
    )
    judged_at = forms.IntegerField(
        label=gettext_lazy("Goals are judged at tick"),
        required=False,
        min_value=1,
        max_value=10**9,
        help_text=gettext_lazy(
            "The run is played to this tick; nothing: as it stands when it is handed in."
        ),
    )

    class Meta:
        model = Assignment
        fields = (
            *("title", "text", "begins", "may_change", "judged_at", "attempts"),
            *("opens", "deadline", "late", "late_percent", "open"),
        )
        widgets = {"text": forms.Textarea(attrs={"rows": 8, "maxlength": MOST_TEXT})}
        help_texts = {"open": ""}
        labels = {"open": gettext_lazy("Open: students see it and can hand in")}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.instance.pk:
            self.initial["may_change"] = list(ALLOWED_AT_FIRST)
        else:
            begins: Any = self.fields["begins"]
            kept = _("where it was set to, at tick %(tick)d") % {"tick": self.instance.tick}
            begins.choices = [("kept", kept), *begins.choices]

    def clean_late_percent(self) -> int:
        """Return a number also where the field is of no use."""
        return self.cleaned_data["late_percent"] or 10

    def clean(self) -> JSON:
        """Refuse a deadline before the beginning."""
        given: JSON = super().clean() or {}
        opens, deadline = given.get("opens"), given.get("deadline")
        if opens and deadline and deadline <= opens:
            self.add_error("deadline", _("The deadline must be after it opens."))
        return given


@dataclass
class GoalRow:
    """One goal as it was typed, and what is wrong with it, by field."""

    text: str = ""
    condition: str = ""
    points: str = "1"
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing was typed."""
        return not (self.text or self.condition)

    def goal(self) -> JSON:
        """Return the goal; it must have been checked."""
        points = float(self.points)
        return {
            "text": self.text or self.condition,
            "condition": self.condition,
            "points": int(points) if points.is_integer() else round(points, 2),
        }


def rows_of(goals: list[JSON]) -> list[GoalRow]:
    """Return goals as rows of the form."""
    return [GoalRow(each["text"], each["condition"], f"{each['points']:g}") for each in goals]


def rows_in(data: QueryDict, check: Check) -> list[GoalRow]:
    """Return the rows that were sent, each with what is wrong; empty ones are left out."""
    columns = [data.getlist(f"goal-{name}") for name in ("text", "condition", "points")]
    rows = [
        GoalRow(text.strip(), condition.strip(), points.strip())
        for text, condition, points in zip(*columns, strict=False)
    ]
    found = [row for row in rows if not row.empty]
    for row in found:
        row.errors = _errors(row, check)
    if len(found) > MOST_GOALS:
        words = _("An assignment has at most %(most)d goals, got %(n)d.")
        found[MOST_GOALS].errors["text"] = words % {"most": MOST_GOALS, "n": len(found)}
    return found


def _errors(row: GoalRow, check: Check) -> dict[str, str]:
    errors = {}
    if len(row.text) > MOST_WORDS:
        errors["text"] = _("At most %(most)d characters, got %(n)d.") % {
            "most": MOST_WORDS,
            "n": len(row.text),
        }
    try:
        check(row.condition)
    except EngineError as error:
        errors["condition"] = sentence(error)
    try:
        points = float(row.points)
    except ValueError:
        points = -1
    if not 0 <= points <= MOST_POINTS:
        words = _("Points must be 0..%(most)d, got %(given)s.")
        errors["points"] = words % {"most": MOST_POINTS, "given": row.points or _("nothing")}
    return errors
