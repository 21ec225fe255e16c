"""Accounts: what happens beside allauth's own when somebody signs in or out."""

from __future__ import annotations

import uuid
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Q
from django.dispatch import receiver
from django.http import HttpRequest

from vms import alive, audit
from vms.guests import adopt
from vms.permissions import CLAIM_KEY, GUEST_KEY, GUEST_NAME_KEY, Visitor, address_of


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


@receiver(user_logged_in)
def note_login(request: HttpRequest, user: User, **_: Any) -> None:
    """Have the audit say who came, and from where."""
    audit.record("login", "login", Visitor(user, address=address_of(request)))


@receiver(user_login_failed)
def note_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Have the audit say that somebody tried; the account only where there is one.

    What was typed as a name may have been a password, so it is not kept.
    """
    name = str(credentials.get("username") or credentials.get("email") or "")[:254]
    accounts = get_user_model().objects.filter(Q(username=name) | Q(email=name))
    user = accounts.first() if name else None
    address = address_of(request) if request is not None else ""
    by = Visitor(user or AnonymousUser(), address=address)
    audit.record("login", "login", by, outcome="refused", sentence="wrong name or password")


@receiver(user_logged_out)
def close_sockets(user: User | None, request: HttpRequest, **_: Any) -> None:
    """Close the sockets that the account has open in live labs."""
    if user is not None:
        alive.kick_everywhere(Visitor(user).identity)
        audit.record("login", "logout", Visitor(user, address=address_of(request)))
