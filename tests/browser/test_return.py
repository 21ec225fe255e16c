"""A server that is killed comes back, and so does the page: by itself, and with the truth."""

from __future__ import annotations

import socket
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.conftest import WAIT_MS
from tests.server import RunningServer

OPEN_LAB = "from vms.models import Lab; print(Lab.objects.get(public=True).pk)"
PLAYING = "window.lab?.model.state?.status === 'playing' && lab.model.state.tick > {tick}"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def until(page: Page, condition: str) -> None:
    """Wait until a JavaScript expression is true."""
    page.evaluate(
        """most => new Promise((done, give_up) => {
          const end = performance.now() + most;
          const look = () => condition() ? done() : performance.now() > end
            ? give_up(new Error("never came true")) : setTimeout(look, 20);
          look();
        })""".replace("condition()", f"({condition})"),
        WAIT_MS,
    )


def test_a_page_comes_back_by_itself_when_a_killed_server_does(
    browser: Browser, tmp_path: Path
) -> None:
    port = {"PORT": str(free_port())}
    server = RunningServer(tmp_path, port)
    page = browser.new_page()
    page.goto(f"{server.url}/labs/{server.shell(OPEN_LAB).strip()}/")
    page.evaluate("window.untouched = true")
    until(page, PLAYING.format(tick=0))
    server.process.kill()
    server.stop()
    until(page, "lab.socket.status === 'closed'")
    seen = int(page.evaluate("lab.model.state.tick"))
    server = RunningServer(tmp_path, port)
    came_back = page.evaluate("performance.now()")
    until(page, "lab.socket.status === 'open'")
    until(page, PLAYING.format(tick=seen))
    print(f"back after {(page.evaluate('performance.now()') - came_back) / 1000:.1f} s")  # noqa: T201
    assert page.evaluate("window.untouched") is True
    page.close()
    assert server.stop() == 0
