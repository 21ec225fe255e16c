"""The lab's socket: a real consumer, real rows, a real machine."""

import asyncio
import json
import uuid
import zlib
from typing import Any

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.core import signing

from tests.live.doubles import first_steps
from vms import alive, permissions
from vms.consumers import MESSAGES_AT_ONCE, Bucket, language_of, verb_for
from vms.engine.commands import COMMANDS
from vms.founding import found
from vms.live import registry
from vms.live.controls import CONTROLS
from vms.live.hub import COMPRESSED, DELTA, HEADER, SNAPSHOT, Viewer
from vms.live.room.board import ROOM
from vms.live.room.requests import REQUESTS
from vms.live.wire import blocks
from vms.live.wire.picture import Picture, Receiver
from vms.live.wishes import WISHES
from vms.models import VirtualMachine
from vms.permissions import Visitor
from vms.routing import websocket_urlpatterns

pytestmark = pytest.mark.django_db(transaction=True)
application = URLRouter(websocket_urlpatterns)

EXAMPLES: dict[str, dict[str, Any]] = {
    "set_time_slice": {"ticks": 7},
    "set_weight": {"vm": "one", "weight": 9},
    "set_share": {"vm": "one", "keys": {"cap": 50}},
    "set_scheduler": {"policy": "fcfs"},
    "unplug_pcpu": {"pcpu": 0},
    "plug_pcpu": {"pcpu": 0},
    "set_pool": {"vm": "one", "pool": "Pool-0"},
    "set_smt": {"threads": 2, "busy_percent": 70},
    "set_cgroup": {"cgroup": "all", "weight": 9},
    "set_replacement": {"policy": "fifo"},
    "set_overcommit": {"keys": {"ksm_scan": 10}},
    "set_translation": {"keys": {"guest": "sv39"}},
    "set_costs": {"preset": "kvm_today"},
    "set_balloon": {"vm": "one", "pages": 1},
    "set_device_mode": {"vm": "one", "device": "vda", "mode": "emulated"},
    "map_device": {"vm": "one", "device": "vda", "backend": "disk1"},
    "add_device": {"vm": "two", "name": "vdz", "backend": "disk1"},
    "unmap_device": {"vm": "one", "device": "vda"},
    "set_queue": {"device": "disk1", "queue": "fair"},
    "set_io_weight": {"vm": "one", "io_weight": 300},
    "set_throttle": {"vm": "one", "iops": 100},
    "add_vm": {"vm": {**first_steps()["vms"][0], "name": "late"}},
    "start_vm": {"vm": "two"},
    "pause_vm": {"vm": "one"},
    "resume_vm": {"vm": "one"},
    "stop_vm": {"vm": "three"},
    "take_snapshot": {"vm": "one", "name": "before"},
    "revert_snapshot": {"vm": "one", "snapshot": "before"},
    "delete_snapshot": {"vm": "one", "snapshot": "before"},
    "clone_vm": {"vm": "one", "name": "copy"},
    "make_template": {"vm": "one"},
    "set_backup": {"vm": "one", "every": 1000, "device": "disk1"},
    "run_backup": {"vm": "one"},
    "lose_disk": {"vm": "one", "device": "vda"},
    "restore_backup": {"vm": "one"},
    "play": {},
    "pause": {},
    "step": {"ticks": 3},
    "next_event": {},
    "speed": {"ticks_per_s": 10},
    "reset": {},
    "watch": {"vm": 1},
    "want": {"heat": True},
    "again": {"topic": 0},
    "check": {},
    "look": {"tick": 0},
    "look_by": {"unit": "tick", "by": -1},
    "live": {},
    "run_to": {"condition": "ticks >= 12"},
    "fork": {"name": "another"},
    "undo": {},
    "redo": {},
    "switch": {"run": 2},
    "name_run": {"run": 1, "name": "the first"},
    "delete_run": {"run": 2},
    "restore_run": {"run": 2},
    "at": {"panel": "timeline"},
    "point": {"panel": "allocation", "x": 0.5, "y": 0.25, "what": "frame:3"},
    "follow": {"who": None},
    "follow_me": {},
    "say": {"text": "What is this?", "target": "vm:one", "tick": 0},
    "edit_remark": {"remark": 1, "text": "What is that?"},
    "delete_remark": {"remark": 1},
    "broadcast": {"text": "Five minutes left."},
    "take_wheel": {},
    "ask_wheel": {},
    "release_wheel": {},
    "grant_wheel": {"who": "u1"},
    "deny_wheel": {"who": "u1"},
    "take_back": {},
    "set_driving": {"mode": "token"},
    "open_round": {"kind": "vcpu"},
    "vote": {"round": 1, "choice": "one.0"},
    "my_vote": {"round": 1},
    "close_round": {},
    "reveal_round": {},
    "cancel_round": {},
    "end_round": {},
}
"""A message of every type there is."""
NOT_NOW = {
    "restore_backup": "vm",
    "unplug_pcpu": "pcpu",
    "plug_pcpu": "pcpu",
    "set_cgroup": "cgroup",
}
"""No restore point, as no tick has passed; the only pCPU, which is there; no group: the field
refused."""

SLICE = {"type": "set_time_slice", "ticks": 9}
TAKEN = {"type": "take_snapshot", **EXAMPLES["take_snapshot"]}
BACKUP = {"type": "set_backup", **EXAMPLES["set_backup"]}
BEFORE = {
    "start_vm": [{"type": "stop_vm", "vm": "two"}],
    "resume_vm": [{"type": "pause_vm", "vm": "one"}],
    "revert_snapshot": [TAKEN],
    "delete_snapshot": [TAKEN],
    "make_template": [{"type": "stop_vm", "vm": "one"}],
    "run_backup": [BACKUP],
    "undo": [SLICE],
    "redo": [SLICE, {"type": "undo"}],
    "switch": [{"type": "fork"}],
    "delete_run": [{"type": "fork"}],
    "restore_run": [{"type": "fork"}],
}
"""What has to be so for a message to be granted."""


class Page:
    """A browser's end of the socket."""

    def __init__(self, lab, ticket, headers=()):
        self.socket = WebsocketCommunicator(
            application, f"/ws/lab/{lab}/?ticket={ticket}", headers=list(headers)
        )
        self.picture = Picture()
        self.receiver = Receiver(self.picture)
        self.received = 0
        self.other_topics = []
        self.room = {}
        self.kinds = []
        self.sent = 0
        self.early = []

    async def open(self):
        """Connect; a page that is let in has come once the first message is there."""
        self.accepted, self.code = await self.socket.connect(timeout=20)
        if self.accepted:
            self.early.append(await self.output())
        return self

    async def output(self):
        return self.early.pop() if self.early else await self.socket.receive_output(timeout=20)

    async def next(self):
        """Return the next JSON message; samples on the way are applied."""
        while True:
            message = await self.output()
            if message["type"] == "websocket.close":
                return {"type": "closed", "code": message["code"]}
            if message.get("text"):
                return json.loads(message["text"])
            self.take(message["bytes"])

    def take(self, data):
        self.received += 1
        kind, flags, topic, *_ = HEADER.unpack_from(data)
        self.kinds.append(kind)
        if topic == ROOM:
            self.hear_room(zlib.decompress(data[16:]) if flags & COMPRESSED else data[16:])
        elif topic:
            self.other_topics.append(topic)
        else:
            assert self.receiver.receive(data)

    def hear_room(self, body):
        """Apply what is new in the room, as static/js/wire.js does."""
        for block in blocks.read(body):
            for name, value in block.document.get("set", {}).items():
                self.room[name] = value
            for name, entries in block.document.get("put", {}).items():
                new = {entry["id"]: entry for entry in entries}
                old = [new.pop(entry["id"], entry) for entry in self.room[name]]
                self.room[name] = [*old, *new.values()]
            for name, ids in block.document.get("drop", {}).items():
                self.room[name] = [e for e in self.room[name] if e["id"] not in ids]

    async def sample(self):
        """Wait for one more sample and draw it."""
        before = self.received
        while self.received == before:
            message = await self.output()
            if message.get("bytes"):
                self.take(message["bytes"])
        await self.draw()

    async def send(self, data):
        kind = "text" if isinstance(data, str) else "bytes"
        await self.socket.send_input({"type": "websocket.receive", kind: data})

    async def draw(self, count=None):
        count = self.received if count is None else count
        await self.socket.send_to(bytes_data=count.to_bytes(4, "little"))

    async def ask(self, **message):
        """Send a message and return its answer."""
        self.sent += 1
        await self.socket.send_json_to({**message, "id": self.sent})
        answer = await self.next()
        while answer.get("id") != self.sent:
            answer = await self.next()
        return answer

    async def until(self, condition):
        while not condition():
            await self.sample()


@pytest.fixture
def alice(transactional_db):
    return get_user_model().objects.create_user("alice")


@pytest.fixture
def lab(alice):
    data = first_steps()
    data["host"]["devices"] = [{"name": name, "kind": "disk"} for name in ("disk0", "disk1")]
    data["vms"][0]["devices"] = [{"name": "vda", "backend": "disk0", "size_mib": 8}]
    return found(owner=alice, document=data)


def ticket_for(lab, role, user=None):
    visitor = Visitor(user or lab.owner)
    return permissions.ticket(visitor, lab, role)


@pytest.fixture
async def enter(lab):
    """Open pages in the lab; they are closed after the test."""
    pages = []

    async def enter(role="driver", user=None, ticket=None, headers=(), address=None):
        page = Page(address or lab.pk, ticket or ticket_for(lab, role, user), headers)
        pages.append(page)
        return await page.open()

    yield enter
    for page in pages:
        if page.accepted:
            await page.socket.disconnect(timeout=20)
    await registry.stop_all()


# --- the door -----------------------------------------------------------------------------------


async def test_a_member_gets_a_snapshot_of_the_whole_lab(enter, lab):
    page = await enter("observer")
    await page.sample()
    assert page.kinds == [SNAPSHOT]
    assert [vm["name"] for vm in page.picture.documents["meta"]["vms"]] == ["one", "two", "three"]
    assert page.picture.documents["meta"]["lab"] == str(lab.pk)


async def test_without_a_ticket_nobody_is_let_in(enter):
    for ticket in ("", "nonsense", "a:b:c"):
        page = await enter(ticket=ticket or " ")
        assert (page.accepted, page.code) == (False, 4001)


async def test_a_forged_ticket_is_refused(enter, lab):
    content = {"lab": str(lab.pk), "user": "u1", "name": "mallory", "role": "owner", "at": "1"}
    page = await enter(ticket=signing.dumps(content, key="another key", salt="vms.ticket"))
    assert (page.accepted, page.code) == (False, 4001)


async def test_a_ticket_that_is_too_old_is_refused(enter, lab, settings):
    ticket = ticket_for(lab, "driver")
    settings.VMLAB_TICKET_SECONDS = -1
    page = await enter(ticket=ticket)
    assert (page.accepted, page.code) == (False, 4001)


async def test_a_ticket_opens_its_own_lab_only(enter):
    page = await enter(address=uuid.uuid4())
    assert (page.accepted, page.code) == (False, 4001)


async def test_the_door_does_not_ask_the_database(enter, lab, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("the database was asked")

    monkeypatch.setattr("django.db.models.query.QuerySet._fetch_all", forbidden)
    page = await enter(ticket="nonsense")
    assert page.code == 4001


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        ("http://localhost:8000", True),
        ("http://evil.example", False),
        ("http://localhost:9999", False),
        ("https://localhost:8000", False),
        (None, False),
    ],
)
async def test_only_pages_of_this_server_may_open_a_socket(lab, origin, let_in):
    from vmsite.asgi import application as whole

    headers = [(b"origin", origin.encode())] if origin else []
    address = f"/ws/lab/{lab.pk}/?ticket={ticket_for(lab, 'driver')}"
    socket = WebsocketCommunicator(whole, address, headers=headers)
    socket.scope["server"] = ("127.0.0.1", 8000)
    accepted, _ = await socket.connect(timeout=20)
    assert accepted is let_in
    if accepted:
        await socket.disconnect(timeout=20)


async def test_a_lab_that_is_gone_says_so(enter, lab):
    ticket = ticket_for(lab, "driver")
    address = lab.pk
    await lab.adelete()
    page = await enter(ticket=ticket, address=address)
    assert (await page.next())["message"] == "This lab does not exist any more."
    assert await page.next() == {"type": "closed", "code": 4004}


async def test_a_lab_whose_rows_make_no_scenario_says_why(enter, lab):
    await VirtualMachine.objects.filter(lab=lab).adelete()
    page = await enter()
    assert "The lab cannot start: " in (await page.next())["message"]
    assert await page.next() == {"type": "closed", "code": 4010}


async def test_a_lab_that_cannot_be_started_for_a_bug_says_so(enter, monkeypatch):
    async def broken(*args, **kwargs):
        raise RuntimeError("bug")

    monkeypatch.setattr("vms.live.start.start", broken)
    page = await enter()
    assert "could not be started" in (await page.next())["message"]
    assert await page.next() == {"type": "closed", "code": 4011}


async def test_a_full_lab_lets_nobody_else_in(enter, settings):
    settings.LIVE_MAX_VIEWERS = 1
    await enter()
    page = await enter()
    assert (await page.next())["code"] == 4008
    assert await page.next() == {"type": "closed", "code": 4008}


async def test_a_full_server_starts_no_other_lab(enter, alice, lab, settings):
    settings.LIVE_MAX_RUNS = 1
    await enter()
    other = await asyncio.to_thread(found, owner=alice, document=first_steps())
    page = await enter(address=other.pk, ticket=ticket_for(other, "driver"))
    assert await page.next() == {
        "type": "closing",
        "code": 4008,
        "message": "As many labs are running as this server can take. Try again soon.",
    }


async def test_somebody_who_was_removed_is_shown_out_and_stays_out(enter, lab):
    page = await enter()
    old = ticket_for(lab, "driver")
    await page.sample()
    await asyncio.to_thread(alive.kick, lab.pk, f"u{lab.owner_id}")
    while (message := await page.next())["type"] == "refusal":
        pass
    assert message["code"] == 4003
    assert await page.next() == {"type": "closed", "code": 4003}
    again = await enter(ticket=old)
    assert (await again.next())["message"] == "You were removed from this lab."
    assert (await again.next())["code"] == 4003


async def test_when_the_server_stops_its_sockets_are_told(enter):
    page = await enter()
    await page.sample()
    await registry.stop_all()
    assert (await page.next())["code"] == 4012
    assert await page.next() == {"type": "closed", "code": 4012}


async def test_who_leaves_is_seen_to_leave(enter, lab):
    page = await enter()
    run = registry.peek(lab.pk)
    assert run.viewers == 1
    await page.socket.disconnect(timeout=20)
    page.accepted = False
    assert run.viewers == 0


# --- time ---------------------------------------------------------------------------------------


async def test_two_pages_may_be_about_two_runs_of_a_lab(enter, lab):
    live = await enter()
    assert (await live.ask(type="fork", tick=0))["run"] == 2
    other = await enter(ticket=f"{ticket_for(lab, 'driver')}&run=2")
    await other.ask(type="step", ticks=9)
    await other.until(lambda: other.picture.documents["state"]["tick"] == 9)
    assert other.picture.documents["state"]["run"] == 2
    assert registry.peek(lab.pk).tick == 0
    assert (await live.ask(type="switch", run=2))["run"] == 2
    assert (await other.next())["code"] == 4006
    await live.until(lambda: live.picture.documents["state"]["tick"] == 9)


async def test_a_run_that_there_is_not_lets_nobody_in(enter, lab):
    page = await enter(ticket=f"{ticket_for(lab, 'driver')}&run=77")
    assert (await page.next())[
        "message"
    ] == "The lab cannot start: run: this lab has no such run, got 77"


async def test_looks_are_answered_each_and_the_newest_is_shown(enter, lab):
    page = await enter("observer")
    run = registry.peek(lab.pk)
    await run.ask({"type": "step", "ticks": 300})
    await run.rested()
    for number in range(25):
        message = {"type": "look", "tick": 300 - 7 * number, "id": number}
        await page.socket.send_json_to(message)
    answers = {}
    while len(answers) < 25:
        answer = await page.next()
        answers[answer["id"]] = answer
    assert answers[24]["tick"] == 300 - 7 * 24
    assert all(answer["tick"] or answer["superseded"] for answer in answers.values())
    await page.until(lambda: page.picture.documents["state"]["tick"] == 300 - 7 * 24)
    assert page.picture.documents["state"]["past"] is True
    check = await page.ask(type="check")
    assert check["crc"] == page.picture.crc()
    assert (await page.ask(type="live"))["tick"] == 300
    await page.until(lambda: page.picture.documents["state"]["past"] is False)


async def test_a_look_that_fails_is_answered(enter, lab, monkeypatch):
    page = await enter("observer")

    async def broken(*args):
        raise ZeroDivisionError("bug")

    monkeypatch.setattr(registry.peek(lab.pk).pasts, "look", broken)
    answer = await page.ask(type="look", tick=0)
    assert (answer["type"], answer["field"]) == ("refusal", None)
    assert answer["message"].startswith("The server failed over this message.")


# --- rights -------------------------------------------------------------------------------------


def test_there_is_an_example_of_every_message():
    assert set(EXAMPLES) == {*COMMANDS, *CONTROLS, *WISHES, *REQUESTS}


@pytest.mark.parametrize("role", ["instructor", "driver"])
@pytest.mark.parametrize("kind", sorted(EXAMPLES.keys() - REQUESTS.keys()))
async def test_who_steers_may_do_everything(enter, role, kind):
    page = await enter(role)
    for before in BEFORE.get(kind, ()):
        assert (await page.ask(**before))["type"] == "answer"
    answer = await page.ask(type=kind, **EXAMPLES[kind])
    if kind in NOT_NOW:
        assert answer["field"] == NOT_NOW[kind]
        return
    assert answer["type"] == "answer", answer
    assert answer["ok"] is True


@pytest.mark.parametrize("kind", EXAMPLES)
async def test_an_observer_may_only_look(enter, lab, kind):
    page = await enter("observer")
    run = registry.peek(lab.pk)
    answer = await page.ask(type=kind, **EXAMPLES[kind])
    verb = verb_for(kind)
    if permissions.may("observer", verb):
        assert answer.get("message") != permissions.refusal("observer", "steer")
    else:
        assert answer["type"] == "refusal"
        assert answer["message"] == permissions.refusal("observer", verb)
    assert (run.tick, run.status, len(run.machine.vm_names)) == (0, "paused", 3)
    assert run.machine.event_hash == run.machine.event_hash


@pytest.mark.parametrize("role", ["instructor", "driver", "observer"])
def test_the_socket_asks_the_one_table_of_rights(role):
    for kind in EXAMPLES.keys() - REQUESTS.keys():
        expected = "watch" if kind in WISHES else "steer"
        assert verb_for(kind) == expected
    assert {verb_for(kind) for kind in REQUESTS} == {"watch", "talk", "steer", "lead"}
    assert verb_for("set_driving") == verb_for("open_round") == verb_for("broadcast") == "lead"
    assert permissions.may(role, "watch")
    assert permissions.may(role, "steer") is (role != "observer")


# --- messages -----------------------------------------------------------------------------------


async def test_a_refusal_goes_to_the_asker_alone_with_its_field(enter):
    asker, other = await enter("driver"), await enter("observer")
    await other.sample()
    refusal = await asker.ask(type="set_time_slice", ticks=-3)
    assert refusal == {
        "type": "refusal",
        "id": 1,
        "field": "ticks",
        "message": "ticks must be 1..100000 ticks, got -3",
    }
    assert (await other.ask(type="check"))["type"] == "answer"
    assert other.picture.journal == []


async def test_a_driver_changes_a_slice_and_an_observer_sees_it(enter):
    driver, observer = await enter("driver"), await enter("observer")
    await observer.sample()
    assert (await driver.ask(type="set_time_slice", ticks=9))["ok"]
    await observer.until(lambda: observer.picture.documents["meta"]["scheduler"]["time_slice"] == 9)
    assert observer.picture.journal[0]["command"] == "set_time_slice"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "play",
        "[]",
        "null",
        "3",
        '{"type": "play"',
        '{"type": NaN}',
        "[" * 5_000,
        '{"a":' * 5_000,
        "\x00",
    ],
)
async def test_what_is_no_json_object_is_an_error_and_the_connection_goes_on(enter, text):
    page = await enter()
    await page.send(text)
    assert (await page.next())["type"] == "error"
    assert (await page.ask(type="step"))["ok"]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": None},
        {"type": 7},
        {"type": {"a": 1}},
        {"type": "explode"},
        {"type": "__class__"},
        {"type": "watch", "vm": "one"},
        {"type": "watch"},
        {"type": "watch", "vm": -1},
        {"type": "watch", "vm": 10**9},
        {"type": "want", "heat": 1},
        {"type": "again", "topic": -1},
        {"type": "step", "ticks": 10**30},
        {"type": "play", "extra": 1},
        {"type": "set_weight", "vm": ["one"], "weight": 3},
        {"type": "add_vm", "vm": "web"},
        {"type": "add_vm", "vm": {}},
    ],
)
async def test_what_is_unknown_or_wrong_is_refused_in_words(enter, message):
    page = await enter()
    await page.send(json.dumps(message))
    refusal = await page.next()
    assert refusal["type"] in {"refusal", "error"}
    assert len(refusal["message"]) > 10
    assert (await page.ask(type="step"))["ok"]


@pytest.mark.parametrize("given", [None, [1], {"a": 1}, "x" * 1_000, True, 1.5])
async def test_an_id_that_is_none_is_not_sent_back(enter, given):
    page = await enter()
    await page.socket.send_json_to({"type": "explode", "id": given})
    answer = await page.next()
    assert answer["type"] == "refusal"
    assert answer["id"] in (None, True)


async def test_a_bug_over_one_message_does_not_deafen_the_socket(enter, lab, monkeypatch):
    page = await enter()
    monkeypatch.setattr(registry.peek(lab.pk), "fingerprint", lambda: 1 / 0)
    assert (await page.ask(type="step"))["ok"]
    await page.send('{"type": "check"}')
    assert (await page.next())["message"].startswith("The server failed over this message.")
    assert (await page.ask(type="step"))["ok"]


async def test_an_oversized_message_is_an_error_and_the_connection_goes_on(enter, settings):
    page = await enter()
    for text in ("x" * (settings.VMLAB_MESSAGE_BYTES + 1), "é" * 40_000):
        await page.send(text)
        assert "at most 65536 bytes" in (await page.next())["message"]
    assert (await page.ask(type="step"))["ok"]


async def test_a_message_of_just_the_limit_is_read(enter, settings):
    page = await enter()
    text = '{"type": "step", "id": 1, "x": ""}'
    text = text.replace('""', '"' + "x" * (settings.VMLAB_MESSAGE_BYTES - len(text)) + '"')
    await page.send(text)
    assert (await page.next())["type"] == "refusal"


@pytest.mark.parametrize("data", [b"", b"123", b"12345", b"\xff" * 4, bytes(100_000)])
async def test_bytes_that_acknowledge_nothing_are_ignored(enter, data):
    page = await enter()
    await page.send(data)
    assert (await page.ask(type="step"))["ok"]


async def test_a_flood_is_cut_off_with_a_sentence_and_the_connection_goes_on(enter, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("vms.consumers.monotonic", lambda: now[0])
    page = await enter("observer")
    for _ in range(MESSAGES_AT_ONCE + 50):
        await page.socket.send_json_to({"type": "want", "heat": False})
    told, dealt_with = [], 0
    while len(told) < 3 or dealt_with < MESSAGES_AT_ONCE:
        message = await page.next()
        if "Too many" in message.get("message", ""):
            told.append(message["message"])
        else:
            dealt_with += 1
    assert set(told) == {"Too many messages: at most 20 a second are read."}
    now[0] += 2
    assert (await page.ask(type="check"))["ok"]


async def test_a_flood_without_end_is_closed(enter, monkeypatch):
    monkeypatch.setattr("vms.consumers.MOST_DROPPED", 30)
    monkeypatch.setattr("vms.consumers.monotonic", lambda: 0.0)
    page = await enter("observer")
    for _ in range(MESSAGES_AT_ONCE + 30):
        await page.socket.send_json_to({"type": "check"})
    while (message := await page.next())["type"] != "closed":
        pass
    assert message["code"] == 4029


async def test_acknowledgements_are_no_flood(enter):
    page = await enter("observer")
    await page.sample()
    for _ in range(5 * MESSAGES_AT_ONCE):
        await page.draw()
    assert (await page.ask(type="check"))["ok"]


async def test_acknowledgements_do_not_make_channels_hop_to_the_databases_thread(
    enter, monkeypatch
):
    page = await enter()
    await page.sample()

    async def hop():
        raise AssertionError("a thread hop")

    monkeypatch.setattr("channels.consumer.aclose_old_connections", hop)
    await page.draw()
    assert (await page.ask(type="step"))["ok"]
    monkeypatch.undo()


async def test_while_a_command_takes_its_time_acknowledgements_are_read(enter, lab, monkeypatch):
    page = await enter()
    await page.sample()
    run = registry.peek(lab.pk)
    held, asked = asyncio.Event(), asyncio.Event()

    async def slow(message, who):
        asked.set()
        await held.wait()
        return {}

    monkeypatch.setattr(run, "ask", slow)
    await page.socket.send_json_to({"type": "play", "id": 1})
    await asked.wait()
    (seat,) = run.audience.seats
    drawn, acknowledge = asyncio.Event(), seat.viewer.acknowledge
    monkeypatch.setattr(seat.viewer, "acknowledge", lambda n: (acknowledge(n), drawn.set()))
    await page.draw()
    await asyncio.wait_for(drawn.wait(), 20)
    assert seat.viewer.acknowledged == page.received
    held.set()
    assert (await page.next())["ok"]


async def test_too_many_commands_at_once_are_not_kept(enter, lab, monkeypatch):
    page = await enter()
    held = asyncio.Event()

    async def slow(message, who):
        await held.wait()
        return {}

    monkeypatch.setattr(registry.peek(lab.pk), "ask", slow)
    for number in range(40):
        await page.socket.send_json_to({"type": "play", "id": number})
    assert "32 commands are waiting" in (await page.next())["message"]
    held.set()
    answered = 0
    while answered < 32:
        answered += (await page.next())["type"] == "answer"


async def test_commands_of_one_socket_are_obeyed_in_order(enter):
    page = await enter()
    for number, ticks in enumerate((5, 9, 4)):
        await page.socket.send_json_to({"type": "set_time_slice", "ticks": ticks, "id": number})
    answers = [await page.next() for _ in range(3)]
    assert [(answer["id"], answer.get("ok")) for answer in answers] == [
        (0, True),
        (1, True),
        (2, True),
    ]
    await page.until(lambda: len(page.picture.journal) == 3)
    assert page.picture.documents["meta"]["scheduler"]["time_slice"] == 4


# --- the stream ---------------------------------------------------------------------------------


async def test_a_page_that_draws_sees_every_change(enter, lab):
    page = await enter()
    await page.ask(type="speed", ticks_per_s=0)
    await page.ask(type="play")
    await page.draw()
    while len(page.kinds) < 30:
        await page.sample()
    assert (await page.ask(type="pause"))["ok"]
    await page.draw()
    await page.until(lambda: page.picture.documents["state"]["status"] == "paused")
    check = await page.ask(type="check")
    assert (check["version"], check["crc"]) == (page.receiver.version, page.picture.crc())
    assert page.kinds.count(DELTA) > 20


async def test_a_page_that_draws_nothing_is_sent_no_more_than_its_window(enter, lab):
    page = await enter()
    await page.ask(type="speed", ticks_per_s=0)
    await page.ask(type="play")
    run = registry.peek(lab.pk)
    before = run.topic.version
    while run.topic.version < before + 20:
        await asyncio.wait_for(page.socket.receive_nothing(0.05), 20)
        while not await page.socket.receive_nothing(0, 0):
            page.take((await page.output())["bytes"])
    assert page.received <= Viewer.MESSAGES


async def test_pages_and_heat_come_when_they_are_asked_for(enter):
    page = await enter("observer")
    await page.sample()
    assert page.other_topics == []
    await page.ask(type="watch", vm=2)
    await page.until(lambda: 18 in page.other_topics)
    await page.ask(type="want", heat=True)
    await page.until(lambda: 1 in page.other_topics)


async def test_a_page_that_lost_its_picture_gets_a_snapshot(enter):
    page = await enter("observer")
    await page.sample()
    before = page.kinds.count(SNAPSHOT)
    await page.ask(type="again", topic=0)
    await page.until(lambda: page.kinds.count(SNAPSHOT) > before)


# --- words --------------------------------------------------------------------------------------


def test_a_page_is_spoken_to_in_its_own_language():
    def scope(**headers):
        return {"headers": [(k.replace("_", "-").encode(), v) for k, v in headers.items()]}

    assert language_of(scope(cookie=b"django_language=zh-hans", accept_language=b"en")) == "zh-hans"
    assert language_of(scope(accept_language=b"zh-CN,zh;q=0.9")) == "zh-hans"
    assert language_of(scope(accept_language=b"xx")) == "en"
    assert language_of({}) == "en"


def test_a_bucket_fills_again_with_time(monkeypatch):
    monkeypatch.setattr("vms.consumers.monotonic", lambda: 0.0)
    bucket = Bucket(10, 3)
    assert [bucket.takes(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.takes(0.15) for _ in range(2)] == [True, False]
    assert [bucket.takes(60.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.dropped == 4
