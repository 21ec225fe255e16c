"""A deleted lab lies in its owner's trash: there for nobody, until it is taken back."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.people import SMALL
from vms import trash
from vms.founding import TooManyLabsError, found
from vms.models import Lab, TraceFile, VirtualMachine
from vms.permissions import Visitor, role_in

TRASH = "/labs/trash/"


def post(client: Client, name: str, lab: Lab, **sent: Any) -> Any:
    return client.post(reverse(f"vms:{name}", args=[lab.pk]), sent, follow=True)


def test_a_deleted_lab_is_there_for_nobody(
    lab: Lab, alice: Any, bob: Any, join: Any, as_: Callable[[Any], Client]
) -> None:
    join(bob, "driver")
    Lab.objects.update(public=True)
    assert post(as_(alice), "lab_delete", lab).status_code == 200
    lab.refresh_from_db()
    for user in (alice, bob):
        client = as_(user)
        assert client.get(lab.get_absolute_url()).status_code == 404
        assert lab.get_absolute_url() not in client.get("/").content.decode()
        assert role_in(user, lab) is None
    assert Client().get(reverse("vms:lab_scenario", args=[lab.pk])).status_code == 302
    assert lab.get_absolute_url() not in Client().get("/").content.decode()


def test_its_owner_takes_it_back_with_all_that_was_in_it(
    lab: Lab, alice: Any, bob: Any, join: Any, as_: Callable[[Any], Client]
) -> None:
    join(bob, "driver")
    client = as_(alice)
    post(client, "lab_delete", lab)
    page = client.get(TRASH).content.decode()
    assert "Small" in page
    assert TRASH in client.get("/").content.decode()
    assert "Small is back." in post(client, "lab_restore", lab).content.decode()
    assert lab.vms.count() == 3
    assert as_(bob).get(lab.get_absolute_url()).status_code == 200
    assert "There is nothing in it." in client.get(TRASH).content.decode()


@pytest.mark.parametrize("name", ["lab_restore", "lab_purge"])
def test_nobody_else_opens_a_trash(
    name: str, lab: Lab, bob: Any, charlie: Any, join: Any, as_: Callable[[Any], Client]
) -> None:
    join(bob, "instructor")
    trash.throw(lab)
    for client in (as_(bob), as_(charlie), Client()):
        assert post(client, name, lab, sure="yes").status_code == 404
        assert "Small" not in client.get(TRASH, follow=True).content.decode()
    assert Lab.objects.get().deleted is not None


@pytest.mark.parametrize("name", ["lab_restore", "lab_purge"])
def test_a_lab_that_is_not_in_the_trash_is_not_touched(
    name: str, lab: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    assert post(as_(alice), name, lab, sure="yes").status_code == 404
    assert Lab.objects.get().deleted is None


def test_deleting_for_good_wants_a_tick(lab: Lab, alice: Any, as_: Callable[[Any], Client]) -> None:
    trash.throw(lab)
    client = as_(alice)
    assert "Tick the box first" in post(client, "lab_purge", lab).content.decode()
    assert "deleted for good" in post(client, "lab_purge", lab, sure="yes").content.decode()
    assert not Lab.objects.exists()


def test_what_has_lain_long_enough_is_deleted_for_good(lab: Lab, settings: Any) -> None:
    trash.throw(lab)
    thrown = Lab.objects.get().deleted
    assert thrown is not None
    days = datetime.timedelta(days=settings.VMLAB_TRASH_DAYS)
    assert trash.empty(thrown + days - datetime.timedelta(seconds=1)) == 0
    assert trash.empty(thrown + days) == 1
    assert not VirtualMachine.objects.exists()


def test_the_command_empties_the_trash(lab: Lab, settings: Any) -> None:
    trash.throw(lab)
    settings.VMLAB_TRASH_DAYS = 0
    said = io.StringIO()
    call_command("empty_trash", stdout=said)
    assert said.getvalue() == "1 lab deleted.\n"


def test_labs_in_the_trash_do_not_count_and_a_full_account_takes_none_back(
    lab: Lab, alice: Any, settings: Any
) -> None:
    settings.VMLAB_LABS_PER_USER = 1
    with pytest.raises(TooManyLabsError):
        found(owner=alice, document=SMALL)
    trash.throw(lab)
    found(owner=alice, document=SMALL)
    lab.refresh_from_db()
    with pytest.raises(TooManyLabsError):
        trash.restore(lab)


def test_a_trash_holds_no_more_labs_than_an_account_the_oldest_go(
    lab: Lab, alice: Any, settings: Any
) -> None:
    settings.VMLAB_LABS_PER_USER = 2
    labs = [lab]
    trash.throw(lab)
    for _each in range(2):
        labs.append(found(owner=alice, document=SMALL))
        trash.throw(labs[-1])
    assert set(Lab.objects.values_list("pk", flat=True)) == {labs[1].pk, labs[2].pk}


def test_an_invitation_to_a_lab_in_the_trash_says_that_it_is_gone(
    lab: Lab, alice: Any, charlie: Any, as_: Callable[[Any], Client]
) -> None:
    post(as_(alice), "lab_invite", lab, role="observer")
    invitation = lab.invitations.get()
    trash.throw(lab)
    page = as_(charlie).post("/join/", {"code": invitation.code}, follow=True).content.decode()
    assert "No open invitation has the code" in page


def test_files_that_were_deleted_long_ago_go_when_nothing_needs_them(lab: Lab) -> None:
    for name in ("needed", "not"):
        TraceFile.objects.create(lab=lab, name=name, content=b"1", size=1, deleted=timezone.now())
    needed = TraceFile.every.get(name="needed")
    lab.runs.create(number=1, seed=1, scenario=SMALL, files={"needed": needed.pk})
    trash.empty(timezone.now() + datetime.timedelta(days=400))
    assert [file.name for file in TraceFile.every.all()] == ["needed"]


@pytest.mark.django_db(transaction=True)
async def test_a_lab_in_the_trash_has_no_run(lab: Lab) -> None:
    from vms.live import store

    await Lab.objects.filter(pk=lab.pk).aupdate(deleted=timezone.now())
    with pytest.raises(store.LabGone):
        await store.load(lab.pk)


def test_a_guests_lab_in_the_trash_is_not_theirs_any_more(db: None) -> None:
    client = Client()
    client.post(reverse("vms:demo"))
    lab = Lab.objects.get()
    Lab.objects.update(deleted=timezone.now())
    lab.refresh_from_db()
    assert role_in(Visitor(client.request().wsgi_request.user, lab.guest), lab) is None
