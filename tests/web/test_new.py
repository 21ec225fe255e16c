"""The start screen and new labs: from a template, a file, a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from tests.people import SMALL
from vms import scenario_file
from vms.engine.scenario import Scenario
from vms.founding import found
from vms.live import store
from vms.models import Lab, Membership
from vms.scenarios import templates

NEW = "/labs/new/"


@pytest.fixture
def client(alice: Any, as_: Callable[[Any], Client]) -> Client:
    return as_(alice)


def test_a_new_lab_is_two_clicks_away(client: Client, alice: Any) -> None:
    assert NEW in client.get("/").content.decode()
    answer = client.post(NEW, {"template": "belady"})
    lab = Lab.objects.get()
    assert answer["Location"] == lab.get_absolute_url()
    assert (lab.owner, lab.name, lab.speed) == (alice, "Belady's anomaly", 4)


@pytest.mark.parametrize("name", templates())
def test_every_template_is_offered_with_its_picture(name: str, db: None) -> None:
    page = Client().get("/").content.decode()
    assert f'value="{name}"' in page
    for dark in ("", "?dark"):
        picture = Client().get(f"/shots/{name}.svg{dark}")
        assert picture["Content-Type"] == "image/svg+xml"
        assert picture.content.count(b"<rect") > 10
    assert Client().get("/shots/nothing.svg").status_code == 404


def test_a_second_lab_of_a_template_has_a_name_of_its_own(client: Client) -> None:
    for _ in range(3):
        client.post(NEW, {"template": "belady"})
    names = set(Lab.objects.values_list("name", flat=True))
    assert names == {"Belady's anomaly", "Belady's anomaly 2", "Belady's anomaly 3"}


def test_a_template_that_is_none_is_refused(client: Client) -> None:
    assert "no template" in client.post(NEW, {"template": "x"}, follow=True).content.decode()
    assert "no template" in client.post("/demo/", {"template": "x"}, follow=True).content.decode()
    assert not Lab.objects.exists()


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_lab_is_made_from_a_scenario(as_file: bool, as_json: bool, client: Client) -> None:
    text = orjson.dumps(SMALL) if as_json else scenario_file.dump(SMALL).encode()
    sent = {"file": SimpleUploadedFile("s.yaml", text)} if as_file else {"text": text.decode()}
    answer = client.post(NEW, sent)
    lab = Lab.objects.get()
    assert answer["Location"] == lab.get_absolute_url()
    assert Scenario.parse(store.scenario_of(lab)).expanded == Scenario.parse(SMALL).expanded


ONE_VM = "vms: [{name: a, workload: {steps: [{compute: 1}]}}]\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "name: A\nvms:\n  - name: a\n    wieght: 3\n    workload: {steps: [{compute: 1}]}\n",
            "line 4: vms[0].wieght: unknown key, did you mean weight?",
        ),
        (
            "name: A\nhost: {scheduler: {time_slice: -3}}\n" + ONE_VM,
            "line 2: host.scheduler.time_slice must be 1..100000 ticks, got -3",
        ),
        ("name: A\n  bad: [\n", "line 2: not YAML"),
        ('{"name": "A",\n "vms": [}', "line 2: not JSON"),
        ("- a\n- b\n", "a scenario must be a mapping, got a list"),
        (
            "name: A\nhost: {frames: 1000000000}\n" + ONE_VM,
            "host.frames must be 1..4194304 frames, got 1000000000",
        ),
        ("   ", "Choose a file or paste the text of a scenario."),
        ("name: &a A\n", "anchors are not allowed"),
    ],
)
def test_a_wrong_text_is_kept_with_the_sentence_and_the_line(
    text: str, sentence: str, client: Client
) -> None:
    answer = client.post(NEW, {"text": text})
    assert answer.status_code == 422
    form = answer.context["form"]
    assert sentence in form.errors["text"][0]
    assert form["text"].value() == text
    assert not Lab.objects.exists()
    if "line" in sentence.split(":")[0]:
        number = int(sentence.split()[1].rstrip(":"))
        assert (number, text.splitlines()[number - 1], True) in form.excerpt
        assert 'aria-current="true"' in answer.content.decode()


def test_the_text_of_a_wrong_file_is_shown(client: Client) -> None:
    answer = client.post(NEW, {"file": SimpleUploadedFile("s.yaml", b"name: A\nvms: 3\n")})
    assert answer.status_code == 422
    assert "name: A\nvms: 3" in answer.content.decode()


def test_a_file_that_is_no_text_is_refused(client: Client) -> None:
    answer = client.post(NEW, {"file": SimpleUploadedFile("s.yaml", b"\xff\xfe\x00")})
    assert "byte 0 of this file is not" in answer.context["form"].errors["file"][0]


@pytest.mark.parametrize("as_file", [True, False])
def test_a_scenario_beyond_the_limit_is_refused(
    as_file: bool, client: Client, settings: Any
) -> None:
    settings.VMLAB_UPLOAD_BYTES = 100
    text = "name: " + "x" * 200
    sent = {"file": SimpleUploadedFile("s", text.encode())} if as_file else {"text": text}
    form = client.post(NEW, sent).context["form"]
    said = form.errors["file" if as_file else "text"][0]
    assert said == "A scenario here may have 100 bytes, got 206."


def test_an_account_has_so_many_labs_and_no_more(
    client: Client, alice: Any, lab: Lab, settings: Any
) -> None:
    settings.VMLAB_LABS_PER_USER = 1
    for sent in ({"template": "belady"}, {"text": scenario_file.dump(SMALL)}):
        page = client.post(NEW, sent, follow=True).content.decode()
        assert "You have 1 lab, which is all an account may have" in page
    assert "which is all" in client.post("/demo/", follow=True).content.decode()
    assert Lab.objects.count() == 1


def test_a_visitor_logs_in_first(db: None) -> None:
    assert Client().get(NEW)["Location"].startswith(reverse("account_login"))


def test_a_scenario_is_downloaded_as_it_would_be_read(lab: Lab, client: Client) -> None:
    yaml = client.get(reverse("vms:lab_scenario", args=[lab.pk]))
    assert yaml["Content-Disposition"].startswith('attachment; filename="Small.yaml"')
    assert scenario_file.parse(yaml.content) == store.scenario_of(lab)
    json = client.get(reverse("vms:lab_scenario", args=[lab.pk]) + "?format=json")
    assert orjson.loads(json.content) == store.scenario_of(lab)


def test_a_download_may_have_any_name(lab: Lab, client: Client) -> None:
    Lab.objects.update(name='实验 "1"')
    answer = client.get(reverse("vms:lab_scenario", args=[lab.pk]))
    assert "filename*=UTF-8''%E5%AE%9E%E9%AA%8C%20%221%22.yaml" in answer["Content-Disposition"]


def test_a_lab_that_never_ran_has_no_result(lab: Lab, client: Client) -> None:
    answer = client.get(reverse("vms:lab_result", args=[lab.pk]))
    assert answer["Location"] == reverse("vms:lab_export", args=[lab.pk])


def test_the_result_of_the_last_run_is_downloaded(lab: Lab, client: Client) -> None:
    lab.runs.create(number=1, seed=1, scenario={}, engine_version="x", result={"ticks": 3})
    lab.runs.create(number=2, seed=1, scenario={}, engine_version="x")
    answer = client.get(reverse("vms:lab_result", args=[lab.pk]))
    assert orjson.loads(answer.content) == {"ticks": 3}


def test_my_labs_are_listed_with_role_and_state(
    lab: Lab, bob: Any, join: Callable[[Any, str], Membership], as_: Callable[[Any], Client]
) -> None:
    join(bob, "driver")
    Lab.objects.update(status="ended")
    page = as_(bob).get("/").content.decode()
    assert "Small" in page
    assert "of alice" in page
    assert "driver" in page
    assert "ended" in page


def test_a_list_of_labs_costs_the_same_however_long_it_is(
    client: Client, alice: Any, bob: Any, django_assert_max_num_queries: Any
) -> None:
    client.get("/")
    counts = []
    for _ in range(2):
        for _ in range(4):
            Membership.objects.create(lab=found(owner=bob, document=SMALL), user=alice)
            found(owner=alice, document=SMALL)
        with django_assert_max_num_queries(9) as seen:
            assert client.get("/").status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_the_edit_page_costs_the_same_however_many_vms(
    client: Client, alice: Any, django_assert_max_num_queries: Any
) -> None:
    for count in (2, 60):
        document = SMALL | {"vms": [SMALL["vms"][0] | {"count": count}]}
        lab = found(owner=alice, document=document)
        with django_assert_max_num_queries(16):
            client.get(reverse("vms:lab_edit", args=[lab.pk]))


def test_somebody_without_labs_is_told_what_to_do(client: Client) -> None:
    page = client.get("/").content.decode()
    assert "You have no lab yet" in page


def test_the_demo_is_seeded_once(db: None, capsys: Any) -> None:
    call_command("seed_demo")
    call_command("seed_demo")
    lab = Lab.objects.get()
    assert (lab.public, lab.plays, lab.owner) == (True, True, None)
    assert "is there" in capsys.readouterr().out
    assert "Watch the open lab" in Client().get("/").content.decode()


def test_a_server_that_works_says_so(db: None) -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
