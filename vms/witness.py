"""The middleware that sees every request which changes something, takes a lab away, or is refused.

So nothing depends on a view that remembers to speak of itself. A view that records what it does in
its own words (`vms.audit.record`) is not recorded a second time; commands of runs are recorded
where they are answered (`vms.live.witness`).
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from typing import Any

# Unlike database_sync_to_async it leaves the connection open, which the answer is still read from.
from asgiref.sync import markcoroutinefunction, sync_to_async  # noqa: TID251
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from vms import alive, audit
from vms.audit import Kind, Outcome
from vms.permissions import Visitor, visitor_of

READS = {"GET", "HEAD", "OPTIONS"}
_API_EXPORT = re.compile(
    r"/api/labs/[^/]+/(?:export|(?:runs/[^/]+/)?(?:events|scenario|result))/?$"
)
_COMMANDS = re.compile(r"/api/labs/[^/]+/runs/[^/]+/commands/?$")
_MEMBERS = re.compile(r"member|invit|ban|join|claim")
_CLASS = re.compile(r"assign|submi|round|remark|wall|cop(?:y|ies)|feedback|broadcast")
_SILENT = {"set_language", "jsi18n"}
_MOST_READ = 4_096


class AuditMiddleware:
    """Record what is asked, by whom, and how it was answered. Innermost, beside the views."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.on_loop = inspect.iscoroutinefunction(get_response)
        if self.on_loop:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request."""
        if self.on_loop:
            return self._soon(request)
        with audit.listening() as told:
            response = self.get_response(request)
        if not told and concerns(request, response):
            record(request, response, who(request))
        return response

    async def _soon(self, request: HttpRequest) -> HttpResponseBase:
        with audit.listening() as told:
            response: HttpResponseBase = await self.get_response(request)
        if not told and concerns(request, response):
            record(request, response, await sync_to_async(who)(request))
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        """Keep the sentence of a refusal by right."""
        if isinstance(error, PermissionDenied):
            request.refusal = str(error)  # type: ignore[attr-defined]


def who(request: HttpRequest) -> Visitor:
    """Return who sent a request: the holder of its token, or of its session."""
    caller = getattr(request, "auth", None)
    visitor = getattr(caller, "visitor", None)
    if isinstance(visitor, Visitor):
        return Visitor(visitor.user, visitor.guest, visitor.guest_name, visitor_of(request).address)
    return visitor_of(request)


def concerns(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Tell whether the audit wants to know of a request."""
    match = request.resolver_match
    if match is None or match.url_name in _SILENT:
        return False
    if response.status_code == 403:
        return True
    if request.method in READS:
        return response.status_code == 200 and _is_export(request, response)
    # What a run was asked stands there already, unless it did not get that far.
    asked = match.url_name == "lab_reset" or _COMMANDS.match(request.path)
    return not asked or response.status_code in {401, 429}


def record(request: HttpRequest, response: HttpResponseBase, by: Visitor) -> None:
    """Record a request by its address's name."""
    match = request.resolver_match
    assert match is not None
    api = request.path.startswith("/api/")
    what = request.path.partition("/api/")[2] if api else match.view_name.removeprefix("vms:")
    named = {name: str(value) for name, value in match.kwargs.items()}
    lab = named.pop("lab_id", None) or _lab_in(request.path)
    named.pop("token", None)  # the link of an invitation is a secret
    named.pop("key", None)
    outcome = _outcome(request, response)
    detail: dict[str, Any] = {"status": response.status_code}
    if api and "Authorization" in request.headers:
        detail["with"] = "token"
    if named:
        detail["of"] = named
    audit.record(
        _kind(request, response),
        f"{request.method} {_ROW.sub('…', what)}" if api else what,
        by,
        lab,
        run=_number(request.GET.get("run")),
        tick=_tick(request, lab),
        outcome=outcome,
        sentence="" if outcome == Outcome.ACCEPTED else _sentence(request, response),
        **detail,
    )


def _tick(request: HttpRequest, lab: str | None) -> int | None:
    """Return the tick that a request is about, or at which the lab's live run is."""
    asked = _number(request.GET.get("tick"))
    if asked is not None or lab is None:
        return asked
    run = alive.run_of(lab)
    return int(run.tick) if run is not None else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None


_ROW = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


def _lab_in(path: str) -> str | None:
    found = re.match(rf"/(?:api/)?labs/({_ROW.pattern})", path)
    return found[1] if found else None


def _is_export(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Tell whether something is handed out: a file to keep, or what a program reads whole."""
    file = response.get("Content-Disposition", "").startswith("attachment")
    return file or bool(_API_EXPORT.match(request.path))


def _kind(request: HttpRequest, response: HttpResponseBase) -> str:
    match = request.resolver_match
    assert match is not None
    name, path = match.url_name or "", request.path
    if response.status_code == 403:
        return Kind.REFUSAL
    if _is_export(request, response):
        return Kind.EXPORT
    if name.startswith("account_") or "token" in name or "login" in name or "password" in name:
        return Kind.LOGIN
    words = path.partition("/labs/")[2] or path
    if _MEMBERS.search(name or words):
        return Kind.MEMBERSHIP
    return Kind.CLASS if _CLASS.search(name or words) else Kind.EDIT


def _outcome(request: HttpRequest, response: HttpResponseBase) -> str:
    match = request.resolver_match
    if response.status_code >= 500:
        return Outcome.ERROR
    # Forms of accounts come again, with their faults and status 200.
    again = (
        match is not None
        and (match.url_name or "").startswith("account_")
        and request.method == "POST"
        and response.status_code == 200
    )
    return Outcome.REFUSED if response.status_code >= 400 or again else Outcome.ACCEPTED


def _sentence(request: HttpRequest, response: Any) -> str:
    """Return what a refusal said, where it said it to a program or by a right."""
    said = getattr(request, "refusal", "")
    if said or response.streaming or len(response.content) > _MOST_READ:
        return str(said)
    if response.get("Content-Type", "").startswith("application/json"):
        try:
            told = json.loads(response.content)
        except ValueError:
            return ""
        return str(told.get("message", "")) if isinstance(told, dict) else ""
    return ""
