"""Which pages may open a socket here."""

from __future__ import annotations

from typing import Any
from urllib.parse import ParseResult, urlparse

from channels.security.websocket import OriginValidator, WebsocketDenier
from django.conf import settings
from django.http.request import validate_host


class SameOriginValidator(OriginValidator):
    """Accept the origins named in ALLOWED_ORIGINS; with none named, this server's own pages.

    Channels' own default compares host names only, so a page on another port or scheme of the
    same host would pass. Here scheme, host and port count. "This server's own" means plain http,
    a host of ALLOWED_HOSTS, and the port of the socket that took the connection; ``*`` in
    ALLOWED_HOSTS grants nothing here.
    """

    application: Any

    def __init__(self, application: Any) -> None:
        super().__init__(application, ())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a socket on, or deny it."""
        origins = [value for name, value in scope.get("headers", []) if name == b"origin"]
        if len(origins) == 1 and self.allows(origins[0].decode("latin1"), scope.get("server")):
            await self.application(scope, receive, send)
        else:
            await WebsocketDenier()(scope, receive, send)

    def allows(self, origin: str, server: tuple[str, int] | None) -> bool:
        """Tell whether a page of `origin` may connect to the listening address `server`."""
        parsed = _parsed(origin)
        if parsed is None:
            return False
        if settings.ALLOWED_ORIGINS:
            return any(
                self.match_allowed_origin(parsed, allowed) for allowed in settings.ALLOWED_ORIGINS
            )
        hosts = [host for host in settings.ALLOWED_HOSTS if host != "*"]
        return (
            parsed.scheme == "http"
            and server is not None
            and self.get_origin_port(parsed) == server[1]
            and validate_host(parsed.netloc.rpartition(":")[0] or parsed.netloc, hosts)
        )


def _parsed(origin: str) -> ParseResult | None:
    """Split an Origin header into its parts; None for one that is no http(s) origin."""
    try:
        parsed = urlparse(origin)
        parsed.port  # noqa: B018  (raises for a port that is no number below 65,536)
    except ValueError:
        return None
    return parsed if parsed.scheme in {"http", "https"} and parsed.hostname else None
