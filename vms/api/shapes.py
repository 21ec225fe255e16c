"""What the API answers with: documented in OpenAPI, and checked before it is sent."""

from __future__ import annotations

import datetime
import uuid
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

JSON = dict[str, Any]
T = TypeVar("T")


class Shape(BaseModel):
    """An answer; what its fields mean stands below them."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)


class Listed(Shape, Generic[T]):
    """A part of a list."""

    items: list[T]
    count: int
    """How many there are in all."""
    limit: int
    offset: int


class Me(Shape):
    """Who calls."""

    name: str
    scopes: list[str]
    """What the token was made for; a browser's session has all."""


class TemplateShown(Shape):
    """A scenario to start from."""

    name: str
    title: str
    summary: str


class LabShown(Shape):
    """A lab: the shared room with its scenario, members and runs."""

    id: uuid.UUID
    name: str
    role: str
    """Yours: owner, instructor, driver, observer, auditor, guest, muted or visitor."""
    owner: str | None
    template: str
    status: str
    """What its live run does, or did last: new, playing, paused, ended, stalled, crashed."""
    tick: int | None
    """Of the live run; null where the lab is at rest."""
    run: int | None
    """The number of the current run; null before the first."""
    vms: int
    devices: int
    notes: str
    public: bool
    revision: int
    """Counts the edits at rest."""
    created: datetime.datetime
    updated: datetime.datetime
    expires: datetime.datetime | None
    """When a guest's lab ends."""
    url: str
    """Of its screen."""


class RunShown(Shape):
    """A run: scenario + seed + journal decide every bit of it. Runs of a lab form a tree."""

    number: int
    name: str
    note: str
    parent: int | None
    """The run it branched off."""
    fork_tick: int | None
    fork_sequence: int | None
    origin: str
    """start, reset, fork, undo or import."""
    current: bool
    """Whether the lab's screen shows it as live."""
    alive: bool
    """Whether it is in memory; else the rest is as it was written back."""
    status: str
    tick: int
    seed: int
    speed: int
    """Ticks per second that were asked for; 0: flat out."""
    event_hash: str
    """Equal for equal runs; of the tick at which it was written back last."""
    engine_version: str
    message: str
    started: datetime.datetime
    written: datetime.datetime


class StateShown(Shape):
    """What a run does at a tick."""

    run: int
    tick: int
    status: str
    """playing, paused, ended, stalled, crashed; past where another tick was asked for."""
    message: str
    speed: int
    event_hash: str
    pcpus: list[str | None]
    """The vCPU on each, or null."""
    waiting: int
    """vCPUs that want a pCPU."""
    frames: int
    frames_free: int
    scheduler: str
    time_slice: int
    replacement: str
    vms: list[VMState]


class VMState(Shape):
    """A VM at a tick."""

    name: str
    power: str
    """off, on, paused, stopped or crashed."""
    time_slice: int | None
    """Its own, or null for the host's."""
    weight: int
    run: int
    """Ticks."""
    overhead: int
    steal: int
    """Ticks in which it wanted a pCPU and had none."""
    resident: int
    """Pages in memory."""
    minor_faults: int
    major_faults: int


class EntryShown(Shape):
    """A line of a run's journal: who asked for what, at which tick, and how it went."""

    sequence: int
    tick: int
    user: str
    command: str
    arguments: JSON
    accepted: bool | None
    sentence: str
    at: float
    """Seconds since 1970."""


class Answered(Shape):
    """How a command went."""

    ok: bool
    answer: JSON
    """What else was told: the new run of a fork, for example."""
    rests: bool
    """Whether the run is at rest now: with `wait`, whether it came to rest in that time."""
    state: JSON
    """The run, its tick, status and message, as far as known now."""


class ImportedShown(Shape):
    """A lab that came as a file."""

    lab: LabShown
    notices: list[str]
    """What there is to tell of it: runs that came out otherwise than the file says."""


class RevisionShown(Shape):
    """An edit of a lab at rest."""

    number: int
    base: int | None
    """The revision that was edited."""
    what: str
    user: str
    at: datetime.datetime
    current: bool


class Undone(Shape):
    """What was undone or done again."""

    what: str
    revision: int
    """The lab's from now on."""


class ThrownShown(Shape):
    """A lab in the trash."""

    id: uuid.UUID
    name: str
    deleted: datetime.datetime | None
    ends: datetime.datetime | None
    """When it is deleted for good."""


StateShown.model_rebuild()


class AssignmentShown(Shape):
    """A task of a lab, which each student does in a copy of their own."""

    id: int
    title: str
    text: str
    """Markdown, as it was written."""
    goals: list[JSON]
    """Each with text, condition and points."""
    may_change: list[str]
    """The parts of the lab that may be changed."""
    judged_at: int | None
    """The tick at which goals are judged; null: where it was handed in."""
    attempts: int | None
    opens: datetime.datetime | None
    deadline: datetime.datetime | None
    late: str
    """What becomes of later ones: refuse, accept or percent_off."""
    late_percent: int
    open: bool


class SubmissionShown(Shape):
    """What a student handed in, and the verdict on it."""

    id: int
    assignment: int
    student: str
    attempt: int
    at: datetime.datetime
    tick: int
    status: str
    """grading, graded or failed."""
    error: str
    state_hash: str
    """Of the machine on which the goals were judged."""
    goals: list[JSON]
    """Each with text, condition, points, met, value, broken, sentence."""
    violations: list[str]
    """What was changed that may not be; then there are no points."""
    points: float | None
    counted: float | None
    """The points that count: late ones are fewer."""
    most: float | None
    days_late: int
    feedback: dict[int, str]
    """By the place of the goal."""
    feedback_text: str


class ResultShown(Shape):
    """What a student has come to in an assignment."""

    student: str
    identity: str
    lab: uuid.UUID | None
    """Their copy."""
    attempts: int
    points: float | None
    submission: SubmissionShown | None
    """The best one, or the last where none is graded."""
