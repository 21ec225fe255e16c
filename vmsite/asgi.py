"""One process serves pages, files and sockets, and steps the machines.

A socket's session is not read at connect: its address carries a signed ticket, which the consumer
checks without the database before it accepts. So a class of two hundred can enter at once.
"""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmsite.settings")
pages = get_asgi_application()  # loads the apps: what follows may import models

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from vms.live import registry  # noqa: E402
from vms.routing import websocket_urlpatterns  # noqa: E402
from vmsite.origins import SameOriginValidator  # noqa: E402
from vmsite.static import StaticFiles  # noqa: E402


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer the server: nothing is made at the start; at the end every run is stopped."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await registry.stop_all()
    await send({"type": "lifespan.shutdown.complete"})


application = ProtocolTypeRouter(
    {
        "http": StaticFiles(pages),
        "websocket": SameOriginValidator(URLRouter(websocket_urlpatterns)),
        "lifespan": lifespan,
    }
)
