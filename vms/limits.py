"""What one user and one lab may take of this server: every way in asks here.

Forms, the API, imports, copies, the admin site and commands of live runs all have their scenario
checked by `scenario_limits`, their labs by `refuse_more_labs`, what they store by `refuse_bytes`,
their speed by `allowed_speed`, their sockets by `refuse_viewer`. The numbers are settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from vms.engine.errors import EngineError
from vms.engine.scenario.limits import LIMITS, Limits
from vms.models import Checkpoint, Host, Lab, TraceFile, VirtualMachine

MIB = 2**20


class LimitError(Exception):
    """Somebody has all they may have of something; the text is the sentence they read."""


@dataclass(frozen=True)
class Use:
    """What somebody or something takes: labs, VMs, frames, stored bytes."""

    labs: int
    vms: int
    frames: int
    bytes: int


# --- what is taken --------------------------------------------------------------------------------


def labs_of(user_id: int) -> QuerySet[Lab]:
    """Return the labs that count as a user's: not those in the trash, nor students' copies."""
    return Lab.objects.filter(owner_id=user_id, deleted=None, source=None)


def use_of(labs: QuerySet[Lab]) -> Use:
    """Return what labs take together, as they are at rest."""
    keys = labs.order_by().values("pk")
    return Use(
        labs=labs.count(),
        vms=VirtualMachine.objects.filter(lab__in=keys).count(),
        frames=_sum(Host.objects.filter(lab__in=keys), "frames"),
        bytes=stored(labs),
    )


def stored(labs: QuerySet[Lab]) -> int:
    """Return the bytes that labs keep: checkpoints of their runs, and trace files."""
    keys = labs.order_by().values("pk")
    checkpoints = _sum(Checkpoint.objects.filter(run__lab__in=keys), "size")
    return checkpoints + _sum(TraceFile.every.filter(lab__in=keys), "size")


def _sum(rows: QuerySet[Any], column: str) -> int:
    return int(rows.aggregate(sum=Sum(column))["sum"] or 0)


# --- labs -----------------------------------------------------------------------------------------


def refuse_more_labs(owner: User, more: int = 1) -> None:
    """Raise LimitError where an account cannot have `more` labs; students' copies don't count."""
    most = settings.VMLAB_LABS_PER_USER
    if labs_of(owner.pk).count() + more > most:
        raise LimitError(
            ngettext(
                "You have %(count)d lab, which is all an account may have. Delete it first.",
                "You have %(count)d labs, which is all an account may have. Delete one first.",
                most,
            )
            % {"count": most}
        )


def refuse_more(owner: User, vms: int, frames: int) -> None:
    """Raise LimitError where an account cannot have so many more VMs and frames in its labs."""
    use = use_of(labs_of(owner.pk))
    if use.vms + vms > settings.VMLAB_USER_VMS:
        raise LimitError(
            _("Your labs have %(there)d VMs, and may have %(most)d together: not %(more)d more.")
            % {"there": use.vms, "most": settings.VMLAB_USER_VMS, "more": vms}
        )
    if use.frames + frames > settings.VMLAB_USER_FRAMES:
        raise LimitError(
            _(
                "The hosts of your labs have %(there)d frames, and may have %(most)d together: "
                "not %(more)d more."
            )
            % {"there": use.frames, "most": settings.VMLAB_USER_FRAMES, "more": frames}
        )


# --- what is in a lab -----------------------------------------------------------------------------


def scenario_limits(lab: Lab) -> Limits:
    """Return what a scenario in `lab` may hold, at rest and alive.

    The server's limits, lower ones for guests, and what is left of its owner's. Never less than
    the lab has already: what was allowed once can be opened.
    """
    most = settings.VMLAB_LIMITS if lab.guest is None else settings.VMLAB_GUEST_LIMITS
    vms, frames = _left(lab, settings.VMLAB_MAX_VMS, most["frames"])
    return Limits(
        vms=min(vms, LIMITS.vms),
        frames=min(frames, LIMITS.frames),
        pages=min(most["pages"], LIMITS.pages),
        total_pages=min(most["pages"], LIMITS.total_pages),
        total_vcpus=min(most["vcpus"], LIMITS.total_vcpus),
        clusters=min(most.get("clusters", LIMITS.clusters), LIMITS.clusters),
    )


def _left(lab: Lab, vms: int, frames: int) -> tuple[int, int]:
    """Return how many VMs and frames of these a lab may have, as its owner has others."""
    if lab.owner_id is None or lab.source_id is not None or lab._state.adding:
        return vms, frames  # a new lab is refused with a sentence of its own, see refuse_more
    others = labs_of(lab.owner_id).exclude(pk=lab.pk).order_by().values("pk")
    vms_there = VirtualMachine.objects.filter(lab__in=others).count()
    frames_there = _sum(Host.objects.filter(lab__in=others), "frames")
    own_vms = VirtualMachine.objects.filter(lab=lab).count()
    own_frames = _sum(Host.objects.filter(lab=lab), "frames")
    return (
        max(1, own_vms, min(vms, settings.VMLAB_USER_VMS - vms_there)),
        max(1, own_frames, min(frames, settings.VMLAB_USER_FRAMES - frames_there)),
    )


def refuse_bytes(lab: Lab, more: int = 0) -> None:
    """Raise LimitError where a lab, or its owner, cannot store `more` bytes."""
    there = stored(Lab.objects.filter(pk=lab.pk))
    if there + more > settings.VMLAB_LAB_BYTES:
        raise LimitError(
            _("This lab stores %(there)s MiB, and may store %(most)s: not %(more)s more.")
            % _mebibytes(there, settings.VMLAB_LAB_BYTES, more)
        )
    if lab.owner_id is not None and lab.source_id is None:
        refuse_bytes_of(lab.owner_id, more)


def refuse_bytes_of(user_id: int, more: int = 0) -> None:
    """Raise LimitError where an account cannot store `more` bytes in its labs."""
    there = stored(labs_of(user_id))
    if there + more > settings.VMLAB_USER_BYTES:
        raise LimitError(
            _("Your labs store %(there)s MiB, and may store %(most)s: not %(more)s more.")
            % _mebibytes(there, settings.VMLAB_USER_BYTES, more)
        )


def refuse_another_run(lab: Lab) -> None:
    """Raise EngineError where a lab stores so much that it gets no run more."""
    there = stored(Lab.objects.filter(pk=lab.pk))
    if there >= settings.VMLAB_LAB_BYTES:
        raise EngineError(
            "this lab may store {high} MiB, and stores {given}: its runs leave no room for another",
            high=settings.VMLAB_LAB_BYTES // MIB,
            given=there // MIB,
        )


def _mebibytes(there: int, most: int, more: int) -> dict[str, str]:
    values = {"there": there, "most": most, "more": more}
    return {name: f"{value / MIB:.1f}" for name, value in values.items()}


# --- while it runs --------------------------------------------------------------------------------


def allowed_speed(speed: int) -> int:
    """Return at what speed a run plays that is to play at `speed` ticks/s, 0 for flat out."""
    most: int = settings.VMLAB_MAX_SPEED
    return speed if most == 0 else min(speed or most, most)


def refuse_speed(speed: int) -> None:
    """Raise EngineError where nobody may play so fast."""
    if allowed_speed(speed) != speed:
        raise EngineError(
            "{field} must be 1..{high} ticks/s on this server, got {given}",
            "ticks_per_s",
            high=settings.VMLAB_MAX_SPEED,
            given=speed or "flat out",
        )


def refuse_viewer(viewers: int, own: int) -> str:
    """Return the sentence for who may not watch too; "" where they may.

    `viewers`: the sockets that a lab has, `own`: those among them of who comes.
    """
    if viewers >= settings.LIVE_MAX_VIEWERS:
        return _("%(n)d viewers are in this lab, and no more may come in.") % {"n": viewers}
    if own >= settings.VMLAB_TABS_PER_USER:
        return _("You have this lab open %(n)d times, and no more may come in.") % {"n": own}
    return ""
