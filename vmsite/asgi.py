"""One process serves pages, files and sockets, and steps the machines.

A socket's session is not read at connect: its address carries a signed ticket, which the consumer
checks without the database before it accepts. So a class of two hundred can enter at once.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmsite.settings")
pages = get_asgi_application()  # loads the apps: what follows may import models

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from vms.audit import recovery, writing  # noqa: E402
from vms.live import registry, revival  # noqa: E402
from vms.routing import websocket_urlpatterns  # noqa: E402
from vmsite.origins import SameOriginValidator  # noqa: E402
from vmsite.static import StaticFiles  # noqa: E402


def wake() -> None:
    """Import what the first visitors would import, each in a thread of its own.

    Schemas read their own sources while they are imported, and two threads of Python 3.11 that do
    so at once end in "AST constructor recursion depth mismatch".
    """
    for name in ("vms.engine.commands", "vms.live.start"):
        importlib.import_module(name)
    get_resolver().url_patterns  # noqa: B018  (reading it imports every view)


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer the server: runs that were playing go on by themselves; at the end all are stopped.

    It does not wait for them: they are played again to where they stood while others are served.
    """
    await receive()
    wake()
    await asyncio.to_thread(recovery.complete_if_possible)
    keeping = asyncio.create_task(writing.keep())
    going_on = asyncio.create_task(revival.go_on_all())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    going_on.cancel()
    await registry.stop_all()
    keeping.cancel()
    await asyncio.wait([keeping])
    await send({"type": "lifespan.shutdown.complete"})


application = ProtocolTypeRouter(
    {
        "http": StaticFiles(pages),
        "websocket": SameOriginValidator(URLRouter(websocket_urlpatterns)),
        "lifespan": lifespan,
    }
)
