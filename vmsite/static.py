"""Static files, served before Django: no thread, no middleware, revalidated by the browser."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from whitenoise.base import WhiteNoise

Scope = dict[str, Any]


class StaticFiles(WhiteNoise):  # type: ignore[misc]
    """An ASGI application: the files that the finders know, and `application` for all else.

    WhiteNoise's middleware is synchronous: under ASGI each file would cost a hop to the one
    thread that Django's views share, and a warning about its iterator. Files are found once at
    start (at every request under DEBUG) and sent whole: the largest is some 100 KB.
    """

    def __init__(self, application: Any) -> None:
        super().__init__(
            application=None,
            autorefresh=settings.DEBUG,
            max_age=0,
            allow_all_origins=False,
            add_headers_function=_add_headers,
        )
        self.next = application
        self.prefix = settings.STATIC_URL
        if not self.autorefresh:
            for finder in finders.get_finders():
                for path, storage in finder.list(None):
                    self._add(path, storage)

    def _add(self, path: str, storage: Any) -> None:
        prefix = getattr(storage, "prefix", None)
        url = self.prefix + (f"{prefix}/" if prefix else "") + path
        if url not in self.files:  # the first finder wins, as in Django
            self.add_file_to_dictionary(url, storage.path(path))

    def candidate_paths_for_url(self, url: str) -> Any:
        """Ask the finders anew (under DEBUG only: new files show without a restart)."""
        if url.startswith(self.prefix):
            try:
                found = finders.find(url.removeprefix(self.prefix))
            except SuspiciousFileOperation:
                found = None
            if found:
                yield found

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        file = self._find(scope["path"])
        if file is None:
            await self.next(scope, receive, send)
        else:
            await _send(file, scope, send)

    def _find(self, path: str) -> Any:
        if not path.startswith(self.prefix):
            return None
        return self.find_file(path) if self.autorefresh else self.files.get(path)


async def _send(file: Any, scope: Scope, send: Any) -> None:
    """Answer with a file, or with 304, 206, 405 as the request's headers and method ask."""
    asked = {
        "HTTP_" + name.decode("latin1").upper().replace("-", "_"): value.decode("latin1")
        for name, value in scope["headers"]
    }
    response = file.get_response(scope["method"], asked)
    body = b""
    if response.file is not None:
        with response.file as opened:
            body = opened.read()
    headers = [
        (name.lower().encode("latin1"), value.encode("latin1")) for name, value in response.headers
    ]
    await send({"type": "http.response.start", "status": int(response.status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _add_headers(headers: Any, path: str, url: str) -> None:
    """Send static files with the same promise against sniffing as pages."""
    headers["X-Content-Type-Options"] = "nosniff"
