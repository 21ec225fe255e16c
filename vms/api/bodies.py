"""Bodies of requests: JSON objects, or a scenario as YAML; read with the limits of every file."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from vms import scenario_file
from vms.api.refusals import Refused, refused
from vms.engine.errors import EngineError
from vms.engine.scenario.fields import unknown_key

JSON = dict[str, Any]
YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
"""What a scenario may be sent as, beside application/json."""


def json_of(request: HttpRequest) -> JSON:
    """Return the JSON object in a request's body. Raises Refused: 400, 413, 415."""
    text = request.body
    if text and request.content_type != "application/json":
        raise wrong_kind(request, "application/json")
    if text.lstrip()[:1] != b"{":
        raise Refused(HTTPStatus.BAD_REQUEST, _("The body must be a JSON object."))
    return _parsed(text)


def scenario_in(request: HttpRequest) -> JSON:
    """Return the mapping in a body that is JSON, or YAML. Raises Refused."""
    if request.content_type not in YAML:
        return json_of(request)
    return _parsed(request.body)


def is_yaml(request: HttpRequest) -> bool:
    """Tell whether a body is said to be YAML."""
    return request.content_type in YAML


def _parsed(text: bytes) -> JSON:
    try:
        return scenario_file.parse(text)
    except EngineError as error:
        raise refused(error, HTTPStatus.BAD_REQUEST) from None


def wrong_kind(request: HttpRequest, allowed: str) -> Refused:
    """Return the refusal of a body that is not said to be `allowed`."""
    words = _("The body must be %(allowed)s, got %(given)s.") % {
        "allowed": allowed,
        "given": (request.content_type or "–")[:60],
    }
    return Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)


def only(given: JSON, known: tuple[str, ...]) -> JSON:
    """Return `given`, none of whose keys is unknown. Raises EngineError."""
    for key in given:
        if key not in known:
            raise unknown_key(key, known)
    return given
