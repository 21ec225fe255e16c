"""Accounts: what happens beside allauth's own when somebody signs in or out."""

from __future__ import annotations

import uuid
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from vms import alive
from vms.guests import adopt
from vms.permissions import CLAIM_KEY, GUEST_KEY, GUEST_NAME_KEY, Visitor


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """allauth's adapter; a place to change what it does."""


@receiver(user_logged_in)
def keep_the_guests_lab(request: HttpRequest, user: User, **_: Any) -> None:
    """Give the labs that a visitor made as a guest to the account they now sign in with.

    What a guest with a name did in labs of others is asked about, see `vms.views.joining.claim`.
    """
    guest = request.session.pop(GUEST_KEY, None)
    name = request.session.pop(GUEST_NAME_KEY, None)
    if guest:
        adopt(uuid.UUID(guest), user)
    if guest and name:
        request.session[CLAIM_KEY] = guest
        alive.kick_everywhere(f"g{guest}")


@receiver(user_logged_out)
def close_sockets(user: User | None, **_: Any) -> None:
    """Close the sockets that the account has open in live labs."""
    if user is not None:
        alive.kick_everywhere(Visitor(user).identity)
