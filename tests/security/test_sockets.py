"""Every kind of socket message, sent by everybody with the ticket that their page was given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.core.cache import cache

from tests.live.test_consumer import EXAMPLES, Page
from tests.security import world as worlds
from tests.security.table import IN, MESSAGES, RIGHTS, SOCKETS, WHO
from tests.security.world import World
from vms.consumers import Bucket
from vms.engine.commands import COMMANDS
from vms.live import registry
from vms.live.controls import CONTROLS
from vms.live.room.requests import REQUESTS
from vms.live.wishes import WISHES
from vms.routing import websocket_urlpatterns

pytestmark = pytest.mark.django_db(transaction=True)
RIGHT_OF = {kind: right for right, kinds in MESSAGES.items() for kind in kinds}
NO_TICKET = 4001


@pytest.fixture
async def world(settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(Bucket, "takes", lambda self, now_s: True)
    await cache.aclear()
    yield await database_sync_to_async(worlds.make)()
    await registry.stop_all()


def ticket_of(world: World, who: str) -> str:
    """Return the ticket that the lab's page gives to somebody, empty where it gives none."""
    answer = world.client(who).get(f"/labs/{world.lab.pk}/ticket/")
    if answer.status_code != 200:
        return ""
    return str(answer.json()["socket"].partition("ticket=")[2])


def test_every_kind_of_message_has_a_line_and_every_line_a_kind() -> None:
    assert set(RIGHT_OF) == {*COMMANDS, *CONTROLS, *WISHES, *REQUESTS}
    assert len(RIGHT_OF) == sum(map(len, MESSAGES.values()))


def test_every_socket_is_tried() -> None:
    assert [str(each.pattern) for each in websocket_urlpatterns] == list(SOCKETS)


async def test_only_who_may_watch_is_let_in(world: World) -> None:
    for who in WHO:
        ticket = await database_sync_to_async(ticket_of)(world, who)
        page = await Page(world.lab.pk, ticket).open()
        assert page.accepted is bool(ticket) is (RIGHTS["watch"][who] == IN), who
        if page.accepted:
            await page.socket.disconnect(timeout=20)
        else:
            assert page.code == NO_TICKET


async def test_a_ticket_opens_the_lab_that_it_was_made_for_alone(world: World) -> None:
    other = await database_sync_to_async(worlds.furnished)(world.users["owner"])
    ticket = await database_sync_to_async(ticket_of)(world, "owner")
    page = await Page(other.pk, ticket).open()
    assert (page.accepted, page.code) == (False, NO_TICKET)


def state_of(world: World) -> tuple[Any, ...]:
    run = registry.peek(world.lab.pk)
    assert run is not None
    return run.tick, run.status, run.machine.event_hash, run.speed, len(run.machine.vm_names)


async def test_nobody_does_more_than_the_table_says(world: World) -> None:
    pages: dict[str, Any] = {}
    for who in WHO:
        if RIGHTS["watch"][who] == IN:
            ticket = await database_sync_to_async(ticket_of)(world, who)
            pages[who] = await Page(world.lab.pk, ticket).open()
    before = state_of(world)
    journal = await database_sync_to_async(journal_of)(world)
    for kind, right in RIGHT_OF.items():
        for who, page in pages.items():
            if RIGHTS[right][who] != IN:
                answer = await page.ask(type=kind, **EXAMPLES[kind])
                assert answer["type"] == "refusal", (who, kind, answer)
                assert "Your role here" in answer["message"], (who, kind, answer)
    assert state_of(world) == before
    assert await database_sync_to_async(journal_of)(world) == journal
    for kind, right in RIGHT_OF.items():
        for who, page in pages.items():
            if RIGHTS[right][who] == IN:
                answer = await page.ask(type=kind, **EXAMPLES[kind])
                assert "Your role here" not in answer.get("message", ""), (who, kind, answer)
    for page in pages.values():
        await page.socket.disconnect(timeout=20)


def journal_of(world: World) -> int:
    from vms.models import JournalEntry

    return JournalEntry.objects.filter(run__lab=world.lab).count()
