"""Limits of users and labs: by form, API, import, copy, admin site and live run alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.people import SMALL
from vms import limits, scenario_file, trash
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.export.read import found_from
from vms.export.write import write
from vms.founding import duplicate, found
from vms.limits import LimitError
from vms.live.controls import Speed
from vms.live.store import limits_for
from vms.live.store.tree import branch
from vms.models import Checkpoint, Lab, Run, TraceFile
from vms.words import sentence


@pytest.fixture
def client(alice: Any, as_: Callable[[Any], Client]) -> Client:
    return as_(alice)


def words(answer: Any) -> str:
    return str(answer.content.decode())


def checkpoint(lab: Lab, size: int) -> Run:
    run = Run.objects.create(lab=lab, number=1, seed=1, scenario=SMALL, engine_version="x")
    Checkpoint.objects.create(run=run, tick=0, size=size, state=b"")
    return run


def another(lab: Lab, alice: Any, client: Client) -> dict[str, Callable[[], Any]]:
    """Return each way to one more lab."""
    text = {"text": scenario_file.dump(SMALL)}
    api = {"content_type": "application/json"}
    return {
        "form": lambda: client.post(reverse("vms:new_lab"), {"template": "belady"}, follow=True),
        "upload": lambda: client.post(reverse("vms:new_lab"), text),
        "copy": lambda: client.post(reverse("vms:lab_duplicate", args=[lab.pk]), follow=True),
        "api": lambda: client.post("/api/labs", {"template": "belady"}, **api),  # type: ignore[arg-type]
        "demo": lambda: client.post(reverse("vms:demo"), follow=True),
    }


@pytest.mark.parametrize("way", ["form", "upload", "copy", "api", "demo"])
@pytest.mark.parametrize(
    ("setting", "most", "said"),
    [
        ("VMLAB_LABS_PER_USER", 1, "You have 1 lab, which is all an account may have"),
        ("VMLAB_USER_VMS", 3, "Your labs have 3 VMs, and may have 3 together"),
        ("VMLAB_USER_FRAMES", 64, "The hosts of your labs have 64 frames, and may have 64"),
    ],
)
def test_no_way_leads_beyond_the_limits_of_a_user(
    lab: Lab,
    alice: Any,
    client: Client,
    settings: Any,
    way: str,
    setting: str,
    most: int,
    said: str,
) -> None:
    setattr(settings, setting, most)
    answer = another(lab, alice, client)[way]()
    assert said in words(answer)
    assert Lab.objects.count() == 1


def test_an_import_and_the_trash_lead_no_further_either(
    lab: Lab, alice: Any, settings: Any
) -> None:
    file = io.BytesIO()
    write(lab, file)
    trash.throw(lab)
    other = found(owner=alice, document=SMALL)
    for setting, most in (("VMLAB_LABS_PER_USER", 1), ("VMLAB_USER_VMS", 5)):
        before = getattr(settings, setting)
        setattr(settings, setting, most)
        with pytest.raises(LimitError):
            trash.restore(lab)
        with pytest.raises(LimitError):
            found_from(file, alice)
        setattr(settings, setting, before)
    settings.VMLAB_LAB_BYTES = 0
    TraceFile.objects.create(lab=lab, name="t", content=b"1", size=1)
    assert list(Lab.objects.filter(deleted=None)) == [other]


def test_a_lab_grows_by_what_is_left_to_its_owner(lab: Lab, alice: Any, settings: Any) -> None:
    duplicate(lab, alice)
    settings.VMLAB_USER_VMS, settings.VMLAB_USER_FRAMES = 7, 150
    most = limits_for(lab)
    assert (most.vms, most.frames) == (4, 86)
    settings.VMLAB_USER_VMS, settings.VMLAB_USER_FRAMES = 2, 10
    most = limits_for(lab)
    assert (most.vms, most.frames) == (3, 64)  # what it has already can be opened


def test_an_edit_beyond_the_limits_is_refused_in_the_form_and_by_the_api(
    lab: Lab, client: Client, settings: Any
) -> None:
    settings.VMLAB_MAX_VMS = 3
    vm = {"name": "more", "workload": {"steps": [{"compute": 1}]}}
    answer = client.post(f"/api/labs/{lab.pk}/vms", vm, content_type="application/json")
    assert answer.status_code == 422
    assert "3" in answer.json()["message"]
    settings.VMLAB_LIMITS = settings.VMLAB_LIMITS | {"frames": 64}
    answer = client.patch(
        f"/api/labs/{lab.pk}/host", {"frames": 65}, content_type="application/json"
    )
    assert answer.status_code == 422
    assert "64" in answer.json()["message"]
    assert lab.vms.count() == 3


def test_a_machine_that_runs_has_the_limits_of_its_lab(lab: Lab, settings: Any) -> None:
    settings.VMLAB_MAX_VMS = 2
    with pytest.raises(EngineError) as refused:
        Scenario.parse(SMALL, limits=limits_for(Lab()))
    assert "2" in sentence(refused.value)


def test_what_a_lab_stores_ends_somewhere(
    lab: Lab, alice: Any, client: Client, settings: Any
) -> None:
    run = checkpoint(lab, 3 * limits.MIB)
    upload = {"name": "t", "file": SimpleUploadedFile("t", b"1\n" * limits.MIB)}
    settings.VMLAB_LAB_BYTES = 4 * limits.MIB
    answer = client.post(reverse("vms:file_add", args=[lab.pk]), upload, follow=True)
    assert "This lab stores 3.0 MiB, and may store 4.0: not 2.0 more." in words(answer)
    settings.VMLAB_LAB_BYTES, settings.VMLAB_USER_BYTES = 99 * limits.MIB, 4 * limits.MIB
    upload["file"] = SimpleUploadedFile("t", b"1\n" * limits.MIB)
    answer = client.post(reverse("vms:file_add", args=[lab.pk]), upload, follow=True)
    assert "Your labs store 3.0 MiB, and may store 4.0: not 2.0 more." in words(answer)
    assert not TraceFile.objects.exists()
    settings.VMLAB_LAB_BYTES = 3 * limits.MIB
    with pytest.raises(EngineError) as refused:
        branch.func(run.pk, 0, None, origin="fork")  # type: ignore[attr-defined]
    assert "this lab may store 3 MiB, and stores 3" in sentence(refused.value)
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("most", "asked", "given"),
    [(0, 0, 0), (0, 9, 9), (100, 0, 100), (100, 50, 50), (100, 900, 100)],
)
def test_a_run_plays_no_faster_than_the_server_allows(
    settings: Any, most: int, asked: int, given: int
) -> None:
    settings.VMLAB_MAX_SPEED = most
    assert limits.allowed_speed(asked) == given
    wanted = Speed(ticks_per_s=asked)
    if asked == given:
        limits.refuse_speed(wanted.ticks_per_s)
    else:
        with pytest.raises(EngineError, match=r"must be 1\.\.100 ticks/s on this server"):
            limits.refuse_speed(wanted.ticks_per_s)


def test_viewers_end_for_a_lab_and_for_one_of_them(settings: Any) -> None:
    settings.LIVE_MAX_VIEWERS, settings.VMLAB_TABS_PER_USER = 10, 3
    assert limits.refuse_viewer(9, 2) == ""
    assert "10 viewers are in this lab" in limits.refuse_viewer(10, 0)
    assert "open 3 times" in limits.refuse_viewer(5, 3)


def test_students_copies_do_not_count(lab: Lab, alice: Any, settings: Any) -> None:
    copy = duplicate(lab, alice)
    Lab.objects.filter(pk=copy.pk).update(source=lab, student="u99")
    settings.VMLAB_LABS_PER_USER = 2
    found(owner=alice, document=SMALL)
    assert limits.use_of(limits.labs_of(alice.pk)).vms == 6


def test_the_page_shows_what_is_used_and_what_may_be(
    lab: Lab, client: Client, settings: Any
) -> None:
    settings.VMLAB_LABS_PER_USER = 1
    checkpoint(lab, 5 * limits.MIB + 1)
    page = words(client.get(reverse("vms:limits")))
    assert "1 of 1" in page
    assert "3 of 20,000" in page
    assert "6 of 10,240" in page
    assert "data-full" in page
    assert "as fast as the server can" in page
    settings.VMLAB_MAX_SPEED = 5_000
    assert "5,000 ticks per second at most" in words(client.get(reverse("vms:limits")))
