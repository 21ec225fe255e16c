"""Every refusal of the API is the same object, {field, message}, with the status it takes."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from pydantic import BaseModel, Field

from vms.engine.errors import EngineError
from vms.words import sentence

log = logging.getLogger(__name__)

RETRY_S = 5
"""After which a server that had no room may be asked again."""


class Refusal(BaseModel):
    """Why something was not done: the sentence a page would show, and the field it is about."""

    field: str | None = Field(description="The path of what is wrong; null where it is the whole.")
    message: str


class Refused(Exception):  # noqa: N818 (an answer, not a fault)
    """Answer with this status and sentence."""

    def __init__(self, status: int, message: str, field: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.field = status, message, field
        self.headers = {name.replace("_", "-").title(): text for name, text in headers.items()}


def refused(error: EngineError, status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> Refused:
    """Return the answer to a refusal of the engine, or of the scenario's schema."""
    return Refused(status, sentence(error), error.field or None)


def no_room() -> Refused:
    """Return the answer while as many labs run as may."""
    words = _("As many labs are running as this server can take. Try again soon.")
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, words, retry_after=str(RETRY_S))


def content_of(message: str, field: str | None = None) -> bytes:
    """Return the body of a refusal."""
    return orjson.dumps({"field": field, "message": message})


def answer(status: int, message: str, field: str | None = None) -> HttpResponse:
    """Return a refusal as a response."""
    return HttpResponse(content_of(message, field), status=status, content_type="application/json")


def words_for(status: int, method: str = "", allowed: str = "") -> str:
    """Return the sentence for a refusal that came without one of ours."""
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        words = _("This address takes %(allowed)s, not %(method)s.")
        return words % {"allowed": allowed, "method": method[:20]}
    sentences = {
        400: _("This request cannot be read."),
        403: _("This may not be done here."),
        404: _("There is nothing at this address."),
        413: _("A request's body may hold at most %(limit)d bytes; this one is longer.")
        % {"limit": settings.VMLAB_BODY_BYTES},
        500: _("The server failed over this request. Its log says why."),
    }
    return sentences.get(status) or HTTPStatus(status).phrase


# --- how exceptions are answered ------------------------------------------------------------------


def on_refused(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer a refusal of ours."""
    response = answer(error.status, error.message, error.field)
    for name, text in error.headers.items():
        response[name] = text
    return response


def on_engine_error(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer what the schema or the engine refused."""
    return on_refused(request, refused(error))


def on_missing(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer for what does not exist, or not for this visitor."""
    said = str(error.args[0]) if error.args else words_for(404)
    return answer(HTTPStatus.NOT_FOUND, said)


def on_denied(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer who may not."""
    return answer(HTTPStatus.FORBIDDEN, str(error) or words_for(403))


def on_too_big(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer a body beyond the limit that came past the server's own guard."""
    return answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words_for(413))


def on_failure(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer for a bug of ours, and log it."""
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return answer(HTTPStatus.INTERNAL_SERVER_ERROR, words_for(500))


HANDLERS: dict[type[Exception], Any] = {
    Refused: on_refused,
    EngineError: on_engine_error,
    Http404: on_missing,
    PermissionDenied: on_denied,
    RequestDataTooBig: on_too_big,
    Exception: on_failure,
}
