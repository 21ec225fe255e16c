"""Labs and their machines at rest, made, read and changed by a program."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.api.conftest import Program
from tests.people import SMALL as GIVEN
from vms import scenario_file
from vms.live import store
from vms.models import Lab, VirtualMachine

# As it is read back: the mode of a virtual device is always told.
SMALL: dict[str, Any] = copy.deepcopy(GIVEN)
SMALL["vms"][0]["devices"][0]["mode"] = "paravirtual"


def test_a_lab_is_made_from_a_template(mine: Program) -> None:
    answer = mine.post("/labs", {"template": "belady", "name": "Mine"})
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["name"], told["role"], told["template"], told["owner"]) == (
        "Mine",
        "owner",
        "belady",
        "alice",
    )
    assert mine.get(f"/labs/{told['id']}").json() == told
    assert [each["id"] for each in mine.get("/labs").json()["items"]] == [told["id"]]


def test_a_lab_is_made_from_a_scenario_as_json_and_as_yaml(mine: Program) -> None:
    made = [
        mine.post("/labs", {"scenario": SMALL}),
        mine.call("POST", "/labs", scenario_file.dump(SMALL), kind="application/yaml"),
    ]
    assert [answer.status_code for answer in made] == [201, 201]
    documents = [mine.get(f"/labs/{answer.json()['id']}/scenario").json() for answer in made]
    assert documents[0] == SMALL
    assert documents[1] == SMALL | {"name": "Small 2"}


@pytest.mark.parametrize(
    ("body", "status", "field", "message"),
    [
        ({"template": "none"}, 422, "template", "template must be one of first_steps"),
        ({}, 422, None, "give either a template or a scenario"),
        ({"template": "belady", "scenario": SMALL}, 422, None, "give either a template"),
        ({"tempalte": "belady"}, 422, "tempalte", "tempalte: unknown key, did you mean template?"),
        ({"scenario": {"name": "x"}}, 422, "vms", "vms is required"),
        ({"scenario": SMALL | {"seed": -1}}, 422, "seed", "seed must be 0..9223372036854775807"),
        ({"scenario": []}, 422, None, "a scenario must be a mapping, got a list"),
        ("[]", 400, None, "The body must be a JSON object."),
        ("", 400, None, "The body must be a JSON object."),
        ('{"a": 1', 400, None, "line 1: not JSON"),
        ('{"a": 1, "a": 2}', 400, None, "line 1: key a is given twice"),
        ("{" * 100, 400, None, "line 1: nested more than 50 deep"),
    ],
)
def test_a_refusal_names_the_field_and_says_the_sentence_of_the_schema(
    body: Any, status: int, field: str | None, message: str, mine: Program
) -> None:
    answer = mine.call("POST", "/labs", body)
    told = answer.json()
    assert (answer.status_code, told["field"]) == (status, field), told
    assert told["message"].startswith(message)
    assert set(told) == {"field", "message"}
    assert not Lab.objects.exists()


def test_a_body_of_another_kind_is_refused(mine: Program) -> None:
    answer = mine.call("POST", "/labs", "template=belady", kind="application/x-www-form-urlencoded")
    assert answer.status_code == 415
    assert "must be application/json" in answer.json()["message"]


def test_no_more_labs_than_an_account_may_have(mine: Program, lab: Lab, settings: Any) -> None:
    settings.VMLAB_LABS_PER_USER = 1
    for answer in (
        mine.post("/labs", {"template": "belady"}),
        mine.post(f"/labs/{lab.pk}/duplicate"),
    ):
        assert answer.status_code == 409
        assert "all an account may have" in answer.json()["message"]


def test_a_lab_is_changed_by_the_keys_that_are_given(mine: Program, lab: Lab) -> None:
    answer = mine.call("PATCH", f"/labs/{lab.pk}", {"name": "Renamed", "seed": 9, "notes": "why"})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["name"], answer.json()["notes"]) == ("Renamed", "why")
    assert mine.get(f"/labs/{lab.pk}/scenario").json() == SMALL | {"name": "Renamed", "seed": 9}
    answer = mine.call("PATCH", f"/labs/{lab.pk}", {"vms": []})
    assert answer.status_code == 422
    answer = mine.call("PATCH", f"/labs/{lab.pk}", {"notes": 5})
    assert answer.json() == {"field": "notes", "message": "notes must be text, got 5"}


def test_a_scenario_replaces_the_one_before(mine: Program, lab: Lab) -> None:
    other = {"name": "Other", "vms": [{"name": "a", "workload": {"steps": [{"compute": 1}]}}]}
    assert mine.call("PUT", f"/labs/{lab.pk}/scenario", other).status_code == 200
    assert mine.get(f"/labs/{lab.pk}/scenario").json() == other
    text = mine.get(f"/labs/{lab.pk}/scenario", Accept="application/yaml")
    assert scenario_file.parse(text.content) == other
    answer = mine.call("PUT", f"/labs/{lab.pk}/scenario", other | {"vms": []})
    assert answer.json()["field"] == "vms"
    assert mine.get(f"/labs/{lab.pk}/scenario").json() == other


def test_an_edit_of_what_somebody_changed_meanwhile_is_refused(mine: Program, lab: Lab) -> None:
    now = mine.get(f"/labs/{lab.pk}").json()["revision"]
    answer = mine.call("PATCH", f"/labs/{lab.pk}?revision={now + 1}", {"seed": 3})
    assert (answer.status_code, answer.json()["field"]) == (409, "revision")
    answer = mine.call("PATCH", f"/labs/{lab.pk}?revision={now}", {"seed": 3})
    assert answer.status_code == 200


def test_a_copy_is_a_lab_of_ones_own(mine: Program, lab: Lab) -> None:
    copy = mine.post(f"/labs/{lab.pk}/duplicate")
    assert copy.status_code == 201
    assert copy.json()["name"] == "Small copy"


# --- the parts ------------------------------------------------------------------------------------


def test_the_host_is_read_replaced_and_changed_and_keeps_its_devices(
    mine: Program, lab: Lab
) -> None:
    path = f"/labs/{lab.pk}/host"
    assert mine.get(path).json() == {"pcpus": 2, "frames": 64, "swap": {"device": "disk0"}}
    changed = mine.call("PATCH", path, {"frames": 128, "swap": None})
    assert changed.json() == {"pcpus": 2, "frames": 128, "swap": None}
    replaced = mine.call("PUT", path, {"pcpus": 4})
    assert replaced.json() == {"pcpus": 4}
    assert mine.get(f"/labs/{lab.pk}/devices").json()["count"] == 2
    answer = mine.call("PATCH", path, {"pcpus": 0})
    assert answer.json() == {
        "field": "host.pcpus",
        "message": "host.pcpus must be 1..1024 pCPUs, got 0",
    }


def test_vms_are_listed_made_changed_and_deleted(mine: Program, lab: Lab) -> None:
    path = f"/labs/{lab.pk}/vms"
    names = [vm["name"] for vm in mine.get(path).json()["items"]]
    assert names == ["web-1", "web-2", "batch"]
    new = {"name": "db", "count": 2, "workload": {"steps": [{"compute": 5}]}}
    made = mine.post(path, new)
    assert made.status_code == 201, made.content
    assert [vm["name"] for vm in made.json()] == ["db-1", "db-2"]
    kept = VirtualMachine.objects.get(lab=lab, name="web-2").pk
    changed = mine.call("PATCH", f"{path}/web-2", {"weight": 512})
    assert changed.json()["weight"] == 512
    assert changed.json()["devices"] == [{"name": "vda", "backend": "disk0", "mode": "paravirtual"}]
    assert VirtualMachine.objects.get(lab=lab, name="web-2").pk == kept
    replaced = mine.call("PUT", f"{path}/web-2", new | {"name": "other", "count": 1})
    assert replaced.json() == {"name": "other", "workload": new["workload"]}
    assert mine.call("DELETE", f"{path}/other").status_code == 204
    assert mine.get(f"{path}/other").status_code == 404
    assert store.scenario_of(lab)["vms"][1]["name"] == "batch"


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/vms", {"name": "db", "workload": {"steps": []}}, "vms[3].workload.steps"),
        ("POST", "/vms", {"name": "batch", "workload": {"steps": [{"compute": 1}]}}, "vms[3].name"),
        ("PATCH", "/vms/batch", {"weight": 0}, "vms[2].weight"),
        ("PATCH", "/vms/batch", {"wieght": 1}, "wieght"),
        ("PATCH", "/vms/batch", {"count": 2}, "count"),
        ("PUT", "/vms/batch", {"name": "batch"}, "vms[2].workload"),
        ("POST", "/devices", {"name": "disk0"}, "host.devices[2].name"),
        ("PATCH", "/devices/nic0", {"vfs": -1}, "host.devices[1].vfs"),
    ],
)
def test_a_part_is_refused_by_the_schema_of_the_whole(
    method: str, path: str, body: Any, field: str, mine: Program, lab: Lab
) -> None:
    before = store.scenario_of(lab)
    answer = mine.call(method, f"/labs/{lab.pk}{path}", body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.json()
    assert store.scenario_of(lab) == before


def test_devices_are_listed_made_renamed_and_deleted(mine: Program, lab: Lab) -> None:
    path = f"/labs/{lab.pk}/devices"
    made = mine.post(path, {"name": "disk1", "channels": 2})
    assert (made.status_code, made.json()) == (
        201,
        {"name": "disk1", "kind": "disk", "channels": 2},
    )
    renamed = mine.call("PATCH", f"{path}/disk0", {"name": "system"})
    assert renamed.json() == {"name": "system", "kind": "disk"}
    scenario = mine.get(f"/labs/{lab.pk}/scenario").json()
    assert scenario["host"]["swap"] == {"device": "system"}
    assert scenario["vms"][0]["devices"][0]["backend"] == "system"
    answer = mine.call("DELETE", f"{path}/system")
    assert answer.status_code == 409
    assert answer.json()["message"].startswith("system is the backend of devices of web-1, web-2")
    assert mine.call("DELETE", f"{path}/disk1").status_code == 204
    assert mine.call("DELETE", f"{path}/disk1").status_code == 404


def test_a_list_comes_in_parts(mine: Program, lab: Lab) -> None:
    part = mine.get(f"/labs/{lab.pk}/vms?limit=1&offset=1").json()
    assert [vm["name"] for vm in part["items"]] == ["web-2"]
    assert (part["count"], part["limit"], part["offset"]) == (3, 1, 1)
    answer = mine.get(f"/labs/{lab.pk}/vms?limit=many")
    assert answer.status_code == 422
    assert answer.json() == {"field": "limit", "message": "limit must be 1..500, got many"}


def test_what_was_read_before_is_not_sent_again(mine: Program, lab: Lab) -> None:
    first = mine.get(f"/labs/{lab.pk}/scenario")
    again = mine.get(f"/labs/{lab.pk}/scenario", **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    mine.call("PATCH", f"/labs/{lab.pk}", {"seed": 5})
    again = mine.get(f"/labs/{lab.pk}/scenario", **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.json()["seed"]) == (200, 5)


def test_the_templates_can_be_listed(mine: Program) -> None:
    assert "belady" in [each["name"] for each in mine.get("/templates").json()]


def test_a_name_with_odd_letters_has_an_address(mine: Program, lab: Lab) -> None:
    body = {"name": "ä % ?#", "workload": {"steps": [{"compute": 5}]}}
    assert mine.post(f"/labs/{lab.pk}/vms", body).status_code == 201
    assert mine.get(f"/labs/{lab.pk}/vms/%C3%A4%20%25%20%3F%23").json() == json.loads(
        json.dumps(body)
    )
