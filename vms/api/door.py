"""Who calls, and whether they may: tokens, sessions, scopes, pace."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from vms import permissions, tokens
from vms.api.pace import Pace
from vms.api.refusals import Refused, on_refused
from vms.permissions import SCOPE_OF, SCOPES, Access, Visitor, visitor_of

CHALLENGE = 'Bearer realm="VM Lab"'


@dataclass(frozen=True)
class Caller:
    """Whoever calls: a visitor, and what their token was made for (a session: everything)."""

    visitor: Visitor
    scopes: frozenset[str]
    key: str
    """By which calls are counted."""


class Token(HttpBearer):
    """`Authorization: Bearer vmlab_…`; a header that opens nothing is refused, session or not."""

    openapi_description = "A token of your account: see /accounts/tokens/."

    def __call__(self, request: HttpRequest) -> Caller | None:
        """Return the caller, none where there is no such header."""
        given = request.headers.get("Authorization")
        if given is None:
            return None
        kind, _blank, text = given.partition(" ")
        found = self.authenticate(request, text.strip()) if kind.lower() == "bearer" else None
        if found is None:
            raise unknown(_("This token opens nothing: it is wrong, has ended or was revoked."))
        return found

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """Return who holds `token`."""
        found = tokens.holder_of(token)
        if found is None:
            return None
        scopes = frozenset(found.scopes) & frozenset(SCOPES)
        return _paced(Caller(Visitor(found.user), scopes, f"t{found.pk}"))


class Session(APIKeyCookie):
    """A browser that is logged in, or a guest's; what changes something takes a CSRF token."""

    param_name = settings.SESSION_COOKIE_NAME
    openapi_description = "Log in with a browser; send X-CSRFToken with what changes something."

    def __init__(self) -> None:
        super().__init__(csrf=False)  # checked below, with a sentence

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:
        """Return the visitor of this session, none where it is nobody's."""
        visitor = visitor_of(request)
        if not visitor.user.is_authenticated and visitor.guest is None:
            return None
        if check_csrf(request) is not None:
            raise Refused(
                HTTPStatus.FORBIDDEN,
                _("A browser must send the page's CSRF token as X-CSRFToken; programs use tokens."),
            )
        return _paced(Caller(visitor, frozenset(SCOPES), visitor.identity))


def unknown(message: str) -> Refused:
    """Return the answer to a caller nobody knows."""
    return Refused(HTTPStatus.UNAUTHORIZED, message, www_authenticate=CHALLENGE)


def on_nobody(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer who shows neither token nor session."""
    words = _("Show a token of your account: Authorization: Bearer vmlab_…")
    return on_refused(request, unknown(words))


@cache
def pace() -> Pace:
    """Return what counts the calls of this process."""
    return Pace(settings.VMLAB_API_PER_SECOND, settings.VMLAB_API_AT_ONCE)


def _paced(caller: Caller) -> Caller:
    wait_s = pace().wait_s(caller.key)
    if wait_s:
        words = _("Too many calls: at most %(n)d a second. Try again in %(wait)d s.")
        words = words % {"n": settings.VMLAB_API_PER_SECOND, "wait": wait_s}
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, words, retry_after=str(wait_s))
    return caller


def caller_of(request: HttpRequest) -> Caller:
    """Return who sent a request that has been let in."""
    caller: Any = request.auth  # type: ignore[attr-defined]
    assert isinstance(caller, Caller)
    return caller


def need(request: HttpRequest, verb: str) -> Caller:
    """Return the caller, whose token must be good for `verb`."""
    caller = caller_of(request)
    if SCOPE_OF[verb] not in caller.scopes:
        raise Refused(HTTPStatus.FORBIDDEN, permissions.out_of_scope(verb))
    return caller


def enter(request: HttpRequest, lab_id: uuid.UUID, verb: str) -> Access:
    """Return the caller's access to a lab: both the token's scope and the role must allow it.

    Raises Refused, Http404 for strangers, PermissionDenied.
    """
    caller = need(request, verb)
    return permissions.entered(caller.visitor, lab_id, verb)


async def enter_soon(request: HttpRequest, lab_id: uuid.UUID, verb: str) -> Access:
    """Return the caller's access to a lab, from the loop."""
    return await database_sync_to_async(enter)(request, lab_id, verb)
