"""Answers that are files."""

from __future__ import annotations

from urllib.parse import quote

from django.http import HttpResponse


def download(content: bytes, kind: str, name: str) -> HttpResponse:
    """Return a file to be saved under `name`, whatever letters it has."""
    response = HttpResponse(content, content_type=kind)
    plain = "".join(c if c.isascii() and c not in '"\\' else "_" for c in name)
    response["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    )
    return response
