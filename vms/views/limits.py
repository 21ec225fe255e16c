"""Your limits: what an account takes of the server, and what each of its labs does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from vms import alive, limits
from vms.limits import MIB
from vms.models import Lab, Membership

MOST_SHOWN = 100


@dataclass(frozen=True)
class Meter:
    """How much there is of something, of how much there may be."""

    name: str
    used: int
    most: int
    note: str = ""

    @property
    def full(self) -> bool:
        """Whether there may be no more."""
        return self.used >= self.most


@require_safe
@login_required
def limits_page(request: HttpRequest) -> HttpResponse:
    """Show what the account and its labs take, and what they may take."""
    assert request.user.is_authenticated
    labs = limits.labs_of(request.user.pk)
    context: dict[str, Any] = {
        "mine": _mine(limits.use_of(labs)),
        "labs": [(lab, _of(lab)) for lab in labs[:MOST_SHOWN]],
        "speed": settings.VMLAB_MAX_SPEED,
    }
    return render(request, "vms/limits.html", context)


def _mine(use: limits.Use) -> list[Meter]:
    return [
        Meter(
            _("Labs"),
            use.labs,
            settings.VMLAB_LABS_PER_USER,
            _("Students' copies and the trash do not count."),
        ),
        Meter(_("VMs in all of them"), use.vms, settings.VMLAB_USER_VMS),
        Meter(_("Frames of their hosts"), use.frames, settings.VMLAB_USER_FRAMES),
        Meter(
            _("Stored, in MiB"),
            _mib(use.bytes),
            settings.VMLAB_USER_BYTES // MIB,
            _("Checkpoints of runs, and trace files."),
        ),
    ]


def _of(lab: Lab) -> list[Meter]:
    use, state = limits.use_of(Lab.objects.filter(pk=lab.pk)), alive.state_of(lab.pk)
    most = limits.scenario_limits(lab)
    return [
        Meter(_("VMs"), use.vms, most.vms),
        Meter(_("Frames"), use.frames, most.frames),
        Meter(_("Stored, in MiB"), _mib(use.bytes), settings.VMLAB_LAB_BYTES // MIB),
        Meter(_("Viewers now"), state.viewers if state else 0, settings.LIVE_MAX_VIEWERS),
        Meter(
            _("Members"),
            Membership.objects.filter(lab=lab).count(),
            settings.VMLAB_MEMBERS_PER_LAB,
        ),
    ]


def _mib(size: int) -> int:
    return -(-size // MIB)
