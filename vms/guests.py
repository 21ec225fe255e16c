"""Guests: visitors without an account who try the demo in a lab of their own.

Their labs are limited in number (per address and in all), in size and in age.
"""

from __future__ import annotations

import datetime
import ipaddress
import uuid

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from vms import alive
from vms.founding import found
from vms.models import Lab
from vms.permissions import GUEST_KEY


class TooManyGuestsError(Exception):
    """A guest is refused a lab; the text is the sentence they read."""


def lab_of(request: HttpRequest) -> Lab | None:
    """Return the lab that this session's guest has already, none where it has ended."""
    guest = request.session.get(GUEST_KEY)
    if not guest:
        return None
    labs = Lab.objects.filter(guest=uuid.UUID(guest), expires__gt=timezone.now(), deleted=None)
    return labs.order_by("-created").first()


def start(request: HttpRequest, template: str) -> Lab:
    """Make a guest's lab from `template`, remember it in the session, return it.

    Raises TooManyGuestsError with a sentence; EngineError where the template is too large.
    """
    clean()
    address = hashed_address(request)
    with transaction.atomic():
        _refuse_beyond_limits(address)
        guest = uuid.UUID(request.session.setdefault(GUEST_KEY, str(uuid.uuid4())))
        return found(
            template=template,
            guest=guest,
            guest_address=address,
            expires=timezone.now() + datetime.timedelta(hours=settings.VMLAB_GUEST_HOURS),
            plays=True,
        )


def _refuse_beyond_limits(address: str) -> None:
    guests = Lab.objects.filter(guest__isnull=False)
    if guests.count() >= settings.VMLAB_GUESTS:
        raise TooManyGuestsError(
            _(
                "All %(count)d places for guests are taken just now. Try again later, "
                "or sign up: an account has labs of its own."
            )
            % {"count": settings.VMLAB_GUESTS}
        )
    most = settings.VMLAB_GUESTS_PER_ADDRESS
    if guests.filter(guest_address=address).count() >= most:
        raise TooManyGuestsError(
            ngettext(
                "Your address has %(count)d guest lab already, which is all it may have. "
                "Sign up to make more.",
                "Your address has %(count)d guest labs already, which is all it may have. "
                "Sign up to make more.",
                most,
            )
            % {"count": most}
        )


def hashed_address(request: HttpRequest) -> str:
    """Return a word for the network the request came from, from which it can't be read back."""
    address = ipaddress.ip_address(get_adapter().get_client_ip(request) or "0.0.0.0")
    prefix = 64 if address.version == 6 else 32  # a household has a whole /64
    network = ipaddress.ip_network(f"{address}/{prefix}", strict=False)
    return salted_hmac("vms.guest", str(network), algorithm="sha256").hexdigest()


def clean(now: datetime.datetime | None = None) -> int:
    """Delete the guests' labs whose time is over; return how many."""
    over = Lab.objects.filter(guest__isnull=False, expires__lte=now or timezone.now())
    labs = list(over.values_list("pk", flat=True))
    for lab in labs:
        alive.stop(lab)
    with transaction.atomic():
        Lab.objects.filter(pk__in=labs).delete()
    return len(labs)


def adopt(guest: uuid.UUID, user: User) -> int:
    """Give a guest's labs to an account: they no longer expire. Return how many."""
    labs = Lab.objects.filter(guest=guest, expires__gt=timezone.now())
    return labs.update(owner=user, guest=None, guest_address="", expires=None)
