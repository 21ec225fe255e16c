"""A disk that really is full: a small file system in memory, filled up and emptied again."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets import Origin
from websockets.sync.client import ClientConnection, connect

from tests.server import RunningServer

MAKE = """
from vms.founding import found
lab = found(template="noisy_neighbour", public=True, plays=True)
lab.speed = 0
lab.save()
print("LAB", lab.pk)
"""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of eight MiB, where this account may."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this account may not mount a file system")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def opened(server: RunningServer, lab: str) -> ClientConnection:
    with urllib.request.urlopen(f"{server.url}/labs/{lab}/ticket/", timeout=60) as answer:
        address = json.load(answer)["socket"]
    url = f"ws://127.0.0.1:{server.port}{address}"
    return connect(url, origin=Origin(server.url), max_size=None)


def until(socket: ClientConnection, holds: Any) -> dict[str, Any]:
    """Read samples until the state is as wanted, acknowledging each."""
    taken, end = 0, time.monotonic() + 90
    state: dict[str, Any] = {}
    while time.monotonic() < end:
        message = socket.recv(timeout=90)
        if isinstance(message, str):
            continue
        taken += 1
        socket.send(taken.to_bytes(4, "little"))
        state |= state_in(message)
        if state and holds(state):
            return state
    raise AssertionError(f"never came: {state}")


def state_in(message: bytes) -> dict[str, Any]:
    """Return the state document of a sample that is not compressed; else nothing."""
    at = message.find(b'"state":{')
    if at < 0:
        return {}
    found: dict[str, Any] = json.JSONDecoder().raw_decode(message[at + 8 :].decode("latin1"))[0]
    return found


def fill(path: Path) -> None:
    """Write zeros until there is no room."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_run_stands_still_on_a_full_disk_and_goes_on_when_there_is_space(
    small_disk: Path,
) -> None:
    server = RunningServer(small_disk)
    lab = server.shell(MAKE).split()[-1]
    with opened(server, lab) as socket:
        until(socket, lambda state: state["status"] == "playing" and state["tick"] > 0)
        filler = small_disk / "filler"
        fill(filler)
        full = until(socket, lambda state: "disk of the server is full" in state["message"])
        assert full["status"] == "paused"
        filler.unlink()
        after = until(socket, lambda state: state["status"] == "playing" and not state["message"])
        until(socket, lambda state: state["tick"] > after["tick"] >= full["tick"])
    server.process.kill()
    server.stop()
    server = RunningServer(small_disk)
    with opened(server, lab) as socket:
        until(socket, lambda state: state["status"] == "playing" and state["tick"] > full["tick"])
    check = "from django.db import connection as c; k = c.cursor(); "
    check += "k.execute('PRAGMA integrity_check'); print(k.fetchone()[0])"
    assert server.shell(check).strip() == "ok"
    assert server.stop() == 0
