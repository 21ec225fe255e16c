"""The edge of /api/: every answer below it is one a program can read, whoever gave it.

The outermost middleware. HEAD and OPTIONS are answered for every address, refusals that are not
the API's own (no such address, a wrong method, a host that is not ours, a failure in a middleware)
become its {field, message}, and what was read is named by an ETag. No CORS header is ever sent.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.decorators import sync_and_async_middleware

from vms.api.refusals import content_of, words_for

PREFIX = "/api/"
READS = {"GET": "GET, HEAD"}


@sync_and_async_middleware
def api_edge(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Return the middleware around `get_response`, of its kind."""
    if not inspect.iscoroutinefunction(get_response):

        def edge(request: HttpRequest) -> HttpResponseBase:
            method = _read_instead(request)
            return _finished(request, method, get_response(request))

        return edge

    async def async_edge(request: HttpRequest) -> HttpResponseBase:
        method = _read_instead(request)
        return _finished(request, method, await get_response(request))

    return markcoroutinefunction(async_edge)


def _read_instead(request: HttpRequest) -> str:
    """Have HEAD answered as GET is; return the method that was asked for."""
    method = request.method or ""
    if method == "HEAD" and request.path.startswith(PREFIX):
        request.method = "GET"
    return method


def _finished(request: HttpRequest, method: str, response: Any) -> HttpResponseBase:
    if not request.path.startswith(PREFIX):
        return response  # type: ignore[no-any-return]
    request.method = method
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        _tell_allowed(response)
    if method == "OPTIONS" and "Allow" in response:
        _empty(response, HTTPStatus.NO_CONTENT)
    elif response.status_code >= HTTPStatus.BAD_REQUEST:
        _as_refusal(request, method, response)
        # A program's mistakes are told to the program; a line of log for each could fill a disk.
        response._has_been_logged = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    elif method == "HEAD" and response.streaming:
        response = _head_of(response)
    elif method in {"GET", "HEAD"}:
        response = _named(request, response)
    patch_vary_headers(response, ["Authorization", "Cookie", "Accept", "Accept-Language"])
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response  # type: ignore[no-any-return]


def _tell_allowed(response: Any) -> None:
    """Add what is allowed at every address to what Ninja knows of."""
    allowed = {word.strip() for word in response.get("Allow", "").split(",") if word.strip()}
    allowed |= {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
    response["Allow"] = ", ".join(sorted(allowed))


def _empty(response: Any, status: int) -> None:
    response.status_code = status
    response.content = b""
    for name in ("Content-Type", "Content-Length"):
        if name in response:
            del response[name]


def _as_refusal(request: HttpRequest, method: str, response: Any) -> None:
    if response.get("Content-Type", "").startswith("application/json"):
        return
    with translation.override(getattr(request, "LANGUAGE_CODE", None) or "en"):
        words = words_for(response.status_code, method, response.get("Allow", ""))
    response.content = content_of(words)
    response["Content-Type"] = "application/json"
    response["Content-Length"] = str(len(response.content))


def _head_of(response: Any) -> HttpResponse:
    """Return what is said of a file before its first byte; nobody has to make the rest."""
    head = HttpResponse(status=response.status_code, headers=dict(response.items()))
    response.close()
    return head


def _named(request: HttpRequest, response: Any) -> Any:
    """Name what was read by its content; answer 304 to who has it already."""
    if response.streaming or response.status_code != HTTPStatus.OK or "ETag" in response:
        return response
    digest = hashlib.blake2b(response.content, digest_size=12).hexdigest()
    response["ETag"] = f'W/"{digest}"'
    return get_conditional_response(request, etag=response["ETag"], response=response)
