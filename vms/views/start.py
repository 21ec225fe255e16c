"""The start screen: my labs, the demo, joining; and a word for whoever watches the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from vms import alive, guests, trash
from vms.engine.errors import EngineError
from vms.founding import TooManyLabsError, found
from vms.models import Lab, Membership
from vms.permissions import EDIT, Visitor, may, role_name, visitor_of
from vms.scenarios import templates
from vms.words import sentence

DEMO = "noisy_neighbour"
MOST_SHOWN = 100


@dataclass(frozen=True)
class Line:
    """A lab in a list: itself, the visitor's role, what its run is doing."""

    lab: Lab
    role: str
    state: str
    label: str
    tick: int | None
    viewers: int
    vms: int
    people: int

    @property
    def edits(self) -> bool:
        """Whether the visitor may edit the lab."""
        return may(self.role, EDIT)

    @property
    def role_name(self) -> str:
        """The visitor's role as one reads it."""
        return role_name(self.role)

    @property
    def fresh(self) -> bool:
        """Whether it was changed within the last minute."""
        return (timezone.now() - self.lab.updated).total_seconds() < 60


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Show my labs and where to go next; a visitor's first screen."""
    visitor = visitor_of(request)
    cards = templates()
    context: dict[str, Any] = {
        "lines": my_labs(visitor),
        "public": _lines(Lab.objects.filter(public=True), visitor)[:4],
        "guest_lab": guests.lab_of(request),
        "cards": cards,
        "hero": cards.get(DEMO),
        "demo": DEMO,
        "thrown": trash.of_user(request.user).count() if visitor.user.is_authenticated else 0,
    }
    return render(request, "vms/start.html", context)


def my_labs(visitor: Visitor) -> list[Line]:
    """Return the labs of an account, or those that a guest has joined; changed last first."""
    if visitor.user.is_authenticated:
        mine = Q(owner=visitor.user.pk) | Q(membership__user=visitor.user.pk)
    elif visitor.guest is not None:
        mine = Q(membership__guest=visitor.guest)
    else:
        return []
    return _lines(Lab.objects.filter(mine).distinct(), visitor)


def _lines(labs: QuerySet[Lab], visitor: Visitor) -> list[Line]:
    """Two queries, however many labs; those in the trash are left out."""
    found = (
        labs.filter(deleted=None)
        .select_related("owner")
        .annotate(
            vm_count=Count("vms", distinct=True), member_count=Count("membership", distinct=True)
        )[:MOST_SHOWN]
    )
    roles: dict[Any, str] = {}
    if visitor.user.is_authenticated:
        roles = dict(Membership.objects.filter(user=visitor.user.pk).values_list("lab_id", "role"))
    elif visitor.guest is not None:
        roles = dict(Membership.objects.filter(guest=visitor.guest).values_list("lab_id", "role"))
    return [_line(lab, visitor, roles) for lab in found]


def _line(lab: Any, visitor: Visitor, roles: dict[Any, str]) -> Line:
    state = alive.state_of(lab.pk)
    status = state.status if state else lab.status
    if state is None and status == Lab.Status.PLAYING:
        status = Lab.Status.PAUSED  # the server went away while it played
    owned = visitor.user.is_authenticated and lab.owner_id == visitor.user.pk
    return Line(
        lab=lab,
        role="owner" if owned else roles.get(lab.pk, "visitor"),
        state=status,
        label=str(Lab.Status(status).label),
        tick=state.tick if state else None,
        viewers=state.viewers if state else 0,
        vms=lab.vm_count,
        people=lab.member_count + (lab.owner_id is not None),
    )


@require_POST
def demo(request: HttpRequest) -> HttpResponse:
    """Open a lab that runs at once: a guest's own, or one more of an account's."""
    template = request.POST.get("template") or DEMO
    if template not in templates():
        messages.error(request, _("There is no template of this name."))
        return redirect("vms:start")
    try:
        if request.user.is_authenticated:
            return redirect(found(owner=request.user, template=template, plays=True))
        had = guests.lab_of(request)
        if had is not None and had.template == template:
            return redirect(had)
        return redirect(guests.start(request, template))
    except (guests.TooManyGuestsError, TooManyLabsError) as error:
        messages.error(request, str(error))
    except EngineError as error:
        messages.error(request, sentence(error))
    return redirect("vms:start")


@require_GET
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the server and its database work."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok", "at": timezone.now().isoformat(timespec="seconds")})
