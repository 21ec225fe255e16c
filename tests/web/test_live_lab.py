"""A lab that is alive, on a real server: what pages say and do to its run."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from http.cookiejar import CookieJar
from time import monotonic
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.server import RunningServer

PASSWORD = "a password of tests"
PATIENCE_S = 30


def opened(server: RunningServer, path: str) -> ClientConnection:
    """Open a socket as a page of the server would."""
    address = server.url.replace("http", "ws") + path
    return connect(address, origin=Origin(server.url), max_size=None)


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, server: RunningServer, name: str | None = None) -> None:
        self.server = server
        self.cookies = CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))
        self.name = name
        self.get("/accounts/login/")
        if name is not None:
            self.post("/accounts/login/", login=name, password=PASSWORD)

    def get(self, path: str) -> tuple[str, str]:
        """Return the address arrived at, and the page."""
        with self.opener.open(self.server.url + path, timeout=PATIENCE_S) as answer:
            return answer.geturl(), answer.read().decode()

    def post(self, path: str, **sent: Any) -> tuple[str, str]:
        token = next(cookie.value for cookie in self.cookies if cookie.name == "csrftoken")
        body = urlencode({"csrfmiddlewaretoken": token, **sent}).encode()
        request = Request(self.server.url + path, body, {"Referer": self.server.url})
        with self.opener.open(request, timeout=PATIENCE_S) as answer:
            return answer.geturl(), answer.read().decode()

    def enter(self, lab: str) -> ClientConnection:
        """Open the lab's socket with a fresh ticket."""
        _, page = self.get(f"/labs/{lab}/ticket/")
        return opened(self.server, json.loads(page)["socket"])


@pytest.fixture
def people(server: RunningServer) -> Callable[[str], Person]:
    """Return a person with an account; the name gets a number, so that tests don't meet."""

    def person(name: str) -> Person:
        name = f"{name}-{secrets.token_hex(4)}"
        server.manage(
            "shell",
            "-v0",
            "-c",
            "from django.contrib.auth.models import User; "
            f"User.objects.create_user({name!r}, password={PASSWORD!r})",
        )
        return Person(server, name)

    return person


def new_lab(owner: Person, template: str = "belady") -> str:
    address, _ = owner.post("/labs/new/", template=template)
    found = re.search(r"/labs/([0-9a-f-]{36})/", address)
    assert found, address
    return found[1]


def wait_for_close(socket: ClientConnection) -> int | None:
    """Read until the server closes the socket; return its code."""
    try:
        while True:
            socket.recv(timeout=PATIENCE_S)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def tell(socket: ClientConnection, **message: Any) -> dict[str, Any]:
    """Send a command and return its answer."""
    socket.send(json.dumps({"id": 7, **message}))
    while True:
        received = socket.recv(timeout=PATIENCE_S)
        if isinstance(received, str):
            answer: dict[str, Any] = json.loads(received)
            if answer.get("id") == 7:
                return answer
        else:
            socket.send((1).to_bytes(4, "little"))


def test_a_removed_member_loses_the_socket_and_the_way_back(
    people: Callable[[str], Person],
) -> None:
    alice, bob = people("alice"), people("bob")
    lab = new_lab(alice)
    alice.post(f"/labs/{lab}/members/", username=bob.name, role="driver")
    _, page = bob.get(f"/labs/{lab}/ticket/")
    kept = json.loads(page)["socket"]
    with bob.enter(lab) as socket:
        _, members = alice.get(f"/labs/{lab}/members/")
        found = re.search(rf"/labs/{lab}/members/(\d+)/remove/", members)
        assert found
        alice.post(f"/labs/{lab}/members/{found[1]}/remove/")
        removed_s = monotonic()
        assert wait_for_close(socket) == 4003
        assert monotonic() - removed_s < 1
    with opened(bob.server, kept) as socket:
        assert wait_for_close(socket) == 4003


def test_a_guest_steers_is_muted_and_banned_within_a_second(
    people: Callable[[str], Person],
) -> None:
    alice = people("alice")
    guest = Person(alice.server)
    lab = new_lab(alice)
    alice.post(f"/labs/{lab}/invitations/", role="driver", guests="on")
    _, members = alice.get(f"/labs/{lab}/members/")
    link = re.search(r"(/join/[^\"]+/)", members)
    assert link
    address, _page = guest.post(link[1], name="Ada")
    assert lab in address
    with guest.enter(lab) as socket:
        assert tell(socket, type="speed", ticks_per_s=77)["ok"]
        row = re.search(rf"/labs/{lab}/members/(\d+)/mute/", alice.get(f"/labs/{lab}/members/")[1])
        assert row
        asked_s = monotonic()
        alice.post(f"/labs/{lab}/members/{row[1]}/mute/")
        assert wait_for_close(socket) == 4005
        assert monotonic() - asked_s < 2
    with guest.enter(lab) as socket:
        assert "You were muted" in tell(socket, type="speed", ticks_per_s=78)["message"]
        alice.post(f"/labs/{lab}/members/{row[1]}/ban/")
        banned_s = monotonic()
        assert wait_for_close(socket) == 4003
        assert monotonic() - banned_s < 1
    audit = alice.server.shell(
        "from vms.models import AuditEntry\n"
        f"for e in AuditEntry.objects.filter(lab_id='{lab}').order_by('number'):\n"
        "    print(e.kind, e.what, e.name, e.outcome)\n"
    )
    assert "command speed Ada accepted" in audit
    assert "speed Ada refused" in audit
    assert f"membership ban {alice.name} accepted" in audit
    assert "none missing" in alice.server.manage("verify_audit")


def test_logging_out_closes_the_sockets(people: Callable[[str], Person]) -> None:
    alice = people("alice")
    lab = new_lab(alice)
    with alice.enter(lab) as socket:
        alice.post("/accounts/logout/")
        assert wait_for_close(socket) == 4003


def test_a_deleted_lab_closes_its_sockets(people: Callable[[str], Person]) -> None:
    alice = people("alice")
    lab = new_lab(alice)
    with alice.enter(lab) as socket:
        alice.post(f"/labs/{lab}/delete/")
        assert wait_for_close(socket) == 4004


def test_a_forged_ticket_opens_nothing(server: RunningServer) -> None:
    lab = "00000000-0000-0000-0000-000000000005"
    with pytest.raises(InvalidStatus):
        opened(server, f"/ws/lab/{lab}/?ticket=x:y:z")


def test_an_edit_of_a_live_lab_counts_from_the_next_reset(
    people: Callable[[str], Person],
) -> None:
    alice = people("alice")
    lab = new_lab(alice)
    with alice.enter(lab) as socket:
        assert tell(socket, type="step", ticks=50)["ok"]
        _, page = alice.get(f"/labs/{lab}/edit/")
        assert "A run is alive" in page
        device = {"name": "tape", "kind": "console"}
        _, page = alice.post(f"/labs/{lab}/devices/new/", **device)
        assert "tape saved. In effect at the next reset." in page
        _, text = alice.get(f"/labs/{lab}/result/")
        assert json.loads(text)["devices"] == []
        alice.post(f"/labs/{lab}/reset/")
        _, text = alice.get(f"/labs/{lab}/result/")
        result = json.loads(text)
        assert [each["name"] for each in result["devices"]] == ["tape"]
        assert result["ticks"] == 0


def test_the_start_screen_tells_what_a_live_lab_does(people: Callable[[str], Person]) -> None:
    alice = people("alice")
    lab = new_lab(alice)
    with alice.enter(lab) as socket:
        assert tell(socket, type="step", ticks=3)["ok"]
        for _ in range(400):  # the answer comes as soon as the run has begun to step
            _, page = alice.get("/")
            if "tick 3" in page:
                break
        assert "tick 3" in page
        assert "1 watching" in page


def test_a_guests_lab_plays_as_soon_as_it_is_watched(server: RunningServer) -> None:
    guest = Person(server)
    address, _ = guest.post("/demo/")
    found = re.search(r"/labs/([0-9a-f-]{36})/", address)
    assert found
    with guest.enter(found[1]):
        for _ in range(400):
            _, text = guest.get(f"/labs/{found[1]}/result/")
            if text.startswith("{") and json.loads(text)["ticks"] > 0:
                return
    pytest.fail("the guest's lab does not play")


def test_what_was_asked_of_a_run_stands_in_its_journal(
    server: RunningServer, people: Callable[[str], Person]
) -> None:
    alice = people("alice")
    lab = new_lab(alice)
    with alice.enter(lab) as socket:
        tell(socket, type="step", ticks=20)
        assert tell(socket, type="set_time_slice", vm=None, ticks=-3)["type"] == "refusal"
        assert tell(socket, type="set_time_slice", vm=None, ticks=5)["ok"]
    code = (
        "from vms.models import JournalEntry as J; "
        f"print([(e.name, e.command['type'], e.accepted) for e in "
        f"J.objects.filter(run__lab={lab!r}, command__type='set_time_slice')])"
    )
    assert (
        server.manage("shell", "-v0", "-c", code)
        .strip()
        .endswith(f"[({alice.name!r}, 'set_time_slice', True)]")
    )
