"""Answers that are files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import IO
from urllib.parse import quote

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse


def download(content: bytes, kind: str, name: str) -> HttpResponse:
    """Return a file to be saved under `name`, whatever letters it has."""
    response = HttpResponse(content, content_type=kind)
    _name(response, name)
    return response


def streamed(parts: AsyncIterable[bytes], kind: str, name: str) -> StreamingHttpResponse:
    """Return a file that is sent part by part, as its reader takes it."""
    response = StreamingHttpResponse(parts, content_type=kind)
    response["X-Accel-Buffering"] = "no"
    _name(response, name)
    return response


class PartsOf:
    """The content of a file in parts, from its beginning; closed with the response."""

    def __init__(self, file: IO[bytes], size: int = 1 << 16) -> None:
        self.file, self.size = file, size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.file.seek(0)
        while part := await asyncio.to_thread(self.file.read, self.size):
            yield part

    def close(self) -> None:
        """Close the file: Django calls it when the answer is sent, or nobody wants it."""
        self.file.close()


def _name(response: HttpResponseBase, name: str) -> None:
    plain = "".join(c if c.isascii() and c not in '"\\' else "_" for c in name)
    response["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    )
