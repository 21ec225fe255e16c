"""A server with an application that tells what the server let through; started by test_serving.

It prints its address, then one line for each lifespan message.
"""

from __future__ import annotations

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmsite.settings")
django.setup()

from vms.serving.server import LabServer  # noqa: E402

CHUNK = b"x" * 100_000
sent = {"http": 0, "websocket": 0}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Count what arrives, send without end on request."""
    await {"lifespan": live, "http": answer, "websocket": talk}[scope["type"]](scope, receive, send)


async def live(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Start and stop, and say so."""
    for kind in ("lifespan.startup", "lifespan.shutdown"):
        assert (await receive())["type"] == kind
        say(kind)
        await send({"type": f"{kind}.complete"})


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer how much was received, how much was sent, or a thousand chunks."""
    received, more = 0, True
    while more:
        message = await receive()
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        for number in range(1000):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
            sent["http"] = number + 1
    if scope["path"] == "/broken":
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        raise RuntimeError("broken off")
    told = {"/sent": f"{sent['http']} {sent['websocket']}", "/stream": ""}
    body = told.get(scope["path"], str(received)).encode()
    await send({"type": "http.response.body", "body": body})


async def talk(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer each message with its length in bytes; "flood" with five hundred chunks."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text == "flood":
            for number in range(500):
                await send({"type": "websocket.send", "bytes": CHUNK})
                sent["websocket"] = number + 1
        else:
            length = len(message["bytes"] if text is None else text.encode())
            await send({"type": "websocket.send", "text": str(length)})


def say(text: str) -> None:
    """Write a line that the test reads."""
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    server: LabServer = LabServer(
        application=application,
        endpoints=["tcp:0:interface=127.0.0.1"],
        ready_callable=lambda: say(f"http://127.0.0.1:{server.listening_addresses[0][1]}/"),
    )
    server.run()
