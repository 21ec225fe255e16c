"""The small picture on a template's card: who ran on each pCPU in the first ticks."""

from __future__ import annotations

import functools

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from vms.engine import VERSION
from vms.scenarios import templates
from vms.shot import drawn


@require_safe
@cache_control(max_age=3600)
def shot(request: HttpRequest, template: str) -> HttpResponse:
    """Return the picture of a template as SVG; `?dark` for a dark page."""
    if template not in templates():
        raise Http404
    dark = "dark" in request.GET
    response = HttpResponse(_drawn(template, dark), content_type="image/svg+xml")
    response["ETag"] = f'"{VERSION}-{template}-{dark}"'
    return response


@functools.cache
def _drawn(template: str, dark: bool) -> str:
    return drawn(templates()[template].data(), dark)
