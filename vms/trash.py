"""The trash: labs that were deleted, which their owners can have back for some weeks."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from vms import alive, limits
from vms.models import Lab, Revision, Run, TraceFile


def throw(lab: Lab) -> None:
    """Put a lab into the trash: it is there for nobody any more, and its run ends."""
    Lab.objects.filter(pk=lab.pk).update(deleted=timezone.now())  # first: no run may start now
    alive.stop(lab.pk)
    if lab.owner_id is not None:
        _purge_beyond_limit(lab.owner_id)


def restore(lab: Lab) -> None:
    """Take a lab out of the trash. Raises TooManyLabsError."""
    with transaction.atomic():
        if lab.owner is not None:
            use = limits.use_of(Lab.objects.filter(pk=lab.pk))
            limits.refuse_more_labs(lab.owner)
            limits.refuse_more(lab.owner, use.vms, use.frames)
            limits.refuse_bytes_of(lab.owner.pk, use.bytes)
        Lab.objects.filter(pk=lab.pk).update(deleted=None)
    lab.deleted = None


def of_user(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Lab]:
    """Return the labs in a user's trash, deleted last first."""
    return Lab.objects.filter(owner=user.pk, deleted__isnull=False).order_by("-deleted")


def ends(lab: Lab) -> datetime.datetime | None:
    """Return when a lab in the trash is deleted for good."""
    return lab.deleted + _days() if lab.deleted else None


def purge(labs: list[Lab]) -> int:
    """Delete labs for good, with all that hangs on them; return how many."""
    for lab in labs:
        alive.stop(lab.pk)
    with transaction.atomic():
        Lab.objects.filter(pk__in=[lab.pk for lab in labs]).delete()
    return len(labs)


def empty(now: datetime.datetime | None = None) -> int:
    """Delete for good what has lain in the trash for long enough; return how many labs."""
    over = (now or timezone.now()) - _days()
    _purge_files(over)
    return purge(list(Lab.objects.filter(deleted__lte=over)))


def _days() -> datetime.timedelta:
    return datetime.timedelta(days=settings.VMLAB_TRASH_DAYS)


def _purge_beyond_limit(owner: int) -> None:
    """Keep no more labs in a trash than an account may have: the oldest go."""
    thrown = Lab.objects.filter(owner=owner, deleted__isnull=False).order_by("-deleted")
    purge(list(thrown[settings.VMLAB_LABS_PER_USER :]))


def _purge_files(over: datetime.datetime) -> None:
    """Delete trace files that were deleted long ago, and that no revision and no run needs."""
    for file in TraceFile.every.filter(deleted__lte=over).defer("content"):
        needs = [
            files
            for model in (Revision, Run)
            for files in model.objects.filter(lab=file.lab_id).values_list("files", flat=True)
        ]
        if not any(file.pk in files.values() for files in needs):
            file.delete()
