"""Forms: the schema's sentence on the field, what was typed kept, nothing changed on a refusal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from vms.engine.scenario import Scenario
from vms.forms.steps import StepForm, initial_of
from vms.forms.vm import VMEditor, copy_name
from vms.live import store
from vms.models import Device, Lab, Mapping, TraceFile, VirtualMachine
from vms.scenarios import templates

Data = dict[str, Any]


@pytest.fixture
def client(alice: Any, as_: Callable[[Any], Client]) -> Client:
    return as_(alice)


def shown(bound: Any) -> Data:
    """What a browser would send back of forms as they are shown."""
    sent: Data = {}
    forms = [bound.form, bound.devices.management_form, bound.steps.management_form]
    forms += [*bound.devices.forms, *bound.steps.forms]
    for form in forms:
        for field in form:
            value = field.field.prepare_value(field.value()) if field.value() is not None else ""
            sent[field.html_name] = "" if value is None else value
    return sent


def sent_for(lab: Lab, name: str | None = None, **changes: Any) -> Data:
    vm = lab.vms.get(name=name) if name else None
    return shown(VMEditor(lab, vm)) | {key.replace("__", "-"): v for key, v in changes.items()}


def edit_url(lab: Lab, name: str) -> str:
    return reverse("vms:vm_edit", args=[lab.pk, lab.vms.get(name=name).pk])


def errors_in(answer: Any) -> list[str]:
    lists = re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', answer.content.decode(), re.S)
    return [text for each in lists for text in re.findall(r"<li>(.*?)</li>", each, re.S)]


@pytest.mark.parametrize("template", templates())
def test_a_vm_opened_and_saved_is_as_it_was(template: str, alice: Any, client: Client) -> None:
    from vms.founding import found

    lab = found(owner=alice, template=template)
    before = Scenario.parse(store.scenario_of(lab))
    for vm in lab.vms.all()[:6]:
        answer = client.post(edit_url(lab, vm.name), sent_for(lab, vm.name))
        assert answer.status_code == 302, errors_in(answer)
    assert Scenario.parse(store.scenario_of(lab)).expanded == before.expanded


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("vm-weight", "-7", "vms[0].weight must be 1..262144, got -7"),
        ("vm-weight", "many", "vms[0].weight must be 1..262144, got many"),
        ("vm-vcpus", "1.5", "vms[0].vcpus must be 1..256 vCPUs, got 1.5"),
        ("vm-pages", "1000000000", "vms[0].pages must be 1..4194304 pages, got 1000000000"),
        ("vm-name", "web-2", "must be unique, got web-2"),
        ("vm-name", "a/b", "vms[0].name must be 1..64 printable characters"),
        ("vm-time_slice", "0", "vms[0].time_slice must be 1..100000 ticks, got 0"),
        ("vm-more", "wieght: 3", "vms[0].wieght: unknown key, did you mean weight?"),
        ("vm-more", "a: [", "line 1: not YAML"),
        ("vm-workload_repeat", "often", "vms[0].workload.repeat must be forever or"),
        ("vm-kind", "jail", "vms[0].kind must be one of vm, container, microvm, got jail"),
        ("devices-0-mode", "magic", "vms[0].devices[0].mode must be one of"),
        ("devices-0-backend", "disk9", "The host has no device of this name."),
        ("steps-0-compute", "-1", "vms[0].workload.steps[0].compute must be 1.."),
        ("steps-1-touch_write", "2", "vms[0].workload.steps[1].touch.write must be a number 0..1"),
        ("steps-2-io_device", "vdz", "vms[0].workload.steps[2].io.device"),
    ],
)
def test_a_refusal_stands_on_its_field_and_what_was_typed_is_kept(
    field: str, typed: str, sentence: str, lab: Lab, client: Client
) -> None:
    before = store.scenario_of(lab)
    answer = client.post(edit_url(lab, "web-1"), sent_for(lab, "web-1") | {field: typed})
    assert answer.status_code == 422
    page = answer.content.decode()
    found = re.search(rf'<ul class="errorlist" id="id_{field}_error"><li>(.*?)</li>', page)
    assert found, errors_in(answer)
    assert sentence in found[1].replace("&#x27;", "'")
    assert typed in page or field.endswith(("backend", "kind", "mode"))  # one of a list
    assert store.scenario_of(lab) == before


def test_a_saved_vm_is_in_the_scenario(lab: Lab, client: Client) -> None:
    sent = sent_for(lab, "batch") | {"vm-weight": "300", "vm-time_slice": "12", "vm-cap": ""}
    assert client.post(edit_url(lab, "batch"), sent).status_code == 302
    batch = store.scenario_of(lab)["vms"][-1]
    assert (batch["weight"], batch["time_slice"]) == (300, 12)


def test_several_vms_are_added_at_once(lab: Lab, client: Client) -> None:
    sent = sent_for(lab) | {"vm-name": "desk", "vm-count": "3"}
    assert client.post(reverse("vms:vm_add", args=[lab.pk]), sent).status_code == 302
    assert store.scenario_of(lab)["vms"][-1] == {
        "name": "desk",
        "count": 3,
        "workload": {"repeat": "forever", "steps": [{"compute": 10}]},
    }


def test_a_number_of_vms_that_is_none_is_refused(lab: Lab, client: Client) -> None:
    sent = sent_for(lab) | {"vm-name": "desk", "vm-count": "0"}
    answer = client.post(reverse("vms:vm_add", args=[lab.pk]), sent)
    assert "count must be 1..4096 VMs, got 0" in errors_in(answer)[0]
    assert lab.vms.count() == 3


@pytest.mark.parametrize(
    ("line", "steps", "devices"),
    [
        ("add steps 0", 4, 1),
        ("remove steps 1", 2, 1),
        ("add devices 0", 3, 2),
        ("remove devices 0", 3, 0),
        ("up steps 2", 3, 1),
        ("remove steps 99", 3, 1),
    ],
)
def test_lines_come_and_go_without_scripts_and_nothing_typed_is_lost(
    line: str, steps: int, devices: int, lab: Lab, client: Client
) -> None:
    sent = sent_for(lab, "web-1") | {"line": line, "vm-name": "renamed", "steps-0-compute": "oops"}
    answer = client.post(edit_url(lab, "web-1"), sent)
    assert answer.status_code == 200
    assert errors_in(answer) == []
    page = answer.content.decode()
    assert f'name="steps-TOTAL_FORMS" value="{steps}"' in page
    assert f'name="devices-TOTAL_FORMS" value="{devices}"' in page
    assert 'value="renamed"' in page
    assert 'value="oops"' in page
    assert lab.vms.filter(name="web-1").exists()


def test_a_step_moved_up_is_before_the_other(lab: Lab, client: Client) -> None:
    answer = client.post(edit_url(lab, "web-1"), sent_for(lab, "web-1") | {"line": "up steps 1"})
    kinds = re.findall(
        r'<select name="steps-\d+-kind".*?<option value="(\w+)" selected',
        answer.content.decode(),
        re.S,
    )
    assert kinds == ["touch", "compute", "io"]


@pytest.mark.parametrize(
    "step",
    [
        {"compute": 5},
        {"touch": {"pattern": "working_set", "refs": 9, "window": 3, "write": 0.25}},
        {"io": {"device": "vda", "op": "write", "requests": 2, "kib": 8}},
        {"trace": {"pages": [1, 2, 3], "refs_per_tick": 1}},
        {"trace": {"utilisation": [10, 90], "every": 5}},
        {"attack": {"kind": "cache"}},
    ],
)
def test_a_step_comes_out_of_its_form_as_it_went_in(step: Data) -> None:
    unbound = StepForm(initial=initial_of(step))
    sent = {}
    for field in unbound:
        value = field.field.prepare_value(field.value())
        sent[field.html_name] = "" if value is None else value
    form = StepForm(sent)
    assert form.is_valid(), form.errors
    assert form.step() == step


@pytest.mark.parametrize(
    ("name", "next_"), [("web-1", "web-4"), ("batch", "batch-2"), ("a-b", "a-b-2")]
)
def test_a_copy_has_the_next_free_name(name: str, next_: str) -> None:
    assert copy_name(name, {"web-1", "web-2", "web-3", "batch", "a-b"}) == next_


def test_a_vm_is_duplicated_with_its_devices(lab: Lab, client: Client) -> None:
    vm = lab.vms.get(name="web-2")
    client.post(reverse("vms:vm_duplicate", args=[lab.pk, vm.pk]))
    copy = lab.vms.get(name="web-3")
    assert (copy.workload, copy.mappings.get().backend.name) == (vm.workload, "disk0")


def test_a_device_that_only_one_may_have_is_not_duplicated(lab: Lab, client: Client) -> None:
    vm = lab.vms.get(name="batch")
    nic = lab.devices.get(name="nic0")
    Mapping.objects.create(vm=vm, name="eth0", backend=nic, mode="passthrough")
    answer = client.post(reverse("vms:vm_duplicate", args=[lab.pk, vm.pk]), follow=True)
    assert "must be mapped once, as nic0 is passed through" in answer.content.decode()
    assert lab.vms.count() == 3


def test_the_last_vm_stays(lab: Lab, client: Client) -> None:
    lab.vms.exclude(name="batch").delete()
    vm = lab.vms.get()
    answer = client.post(reverse("vms:vm_delete", args=[lab.pk, vm.pk]))
    assert answer.status_code == 422
    assert "A lab has at least one VM" in answer.content.decode()
    assert lab.vms.count() == 1


def test_a_vm_is_deleted_after_a_question(lab: Lab, client: Client) -> None:
    path = reverse("vms:vm_delete", args=[lab.pk, lab.vms.get(name="batch").pk])
    assert "Delete batch?" in client.get(path).content.decode()
    assert lab.vms.count() == 3
    client.post(path)
    assert [vm.name for vm in lab.vms.all()] == ["web-1", "web-2"]


def test_a_device_in_use_stays_and_says_who_uses_it(lab: Lab, client: Client) -> None:
    disk = lab.devices.get(name="disk0")
    answer = client.post(reverse("vms:device_delete", args=[lab.pk, disk.pk]))
    assert answer.status_code == 422
    assert "disk0 is the backend of devices of web-1, web-2" in answer.content.decode()
    lab.vms.exclude(name="batch").delete()
    answer = client.post(reverse("vms:device_delete", args=[lab.pk, disk.pk]))
    assert "disk0 is the swap device" in answer.content.decode()
    assert Device.objects.filter(pk=disk.pk).exists()


def test_devices_are_added_edited_and_duplicated(lab: Lab, client: Client) -> None:
    add = reverse("vms:device_add", args=[lab.pk])
    sent = {"name": "tape", "kind": "console", "channels": "", "service_us": "7", "more": ""}
    assert client.post(add, sent).status_code == 302
    tape = lab.devices.get(name="tape")
    edit = reverse("vms:device_edit", args=[lab.pk, tape.pk])
    refused = client.post(edit, sent | {"channels": "0"})
    assert errors_in(refused) == ["host.devices[2].channels must be 1..1024 channels, got 0"]
    assert client.post(edit, sent | {"channels": "3", "name": "tapes"}).status_code == 302
    client.post(reverse("vms:device_duplicate", args=[lab.pk, tape.pk]))
    assert store.scenario_of(lab)["host"]["devices"][2:] == [
        {"name": "tapes", "kind": "console", "channels": 3, "service_us": 7},
        {"name": "tapes1", "kind": "console", "channels": 3, "service_us": 7},
    ]


def test_renaming_a_device_keeps_who_uses_it(lab: Lab, client: Client) -> None:
    disk = lab.devices.get(name="disk0")
    edit = reverse("vms:device_edit", args=[lab.pk, disk.pk])
    assert client.post(edit, {"name": "ssd0", "kind": "disk"}).status_code == 302
    written = store.scenario_of(lab)
    assert written["vms"][0]["devices"][0]["backend"] == "ssd0"
    assert written["host"]["swap"] == {"device": "ssd0"}


def settings_of(client: Client, lab: Lab) -> Data:
    form = client.get(reverse("vms:lab_edit", args=[lab.pk])).context["form"]
    sent = {}
    for field in form:
        value = field.field.prepare_value(field.value())
        sent[field.html_name] = "" if value is None else value
    return sent


def test_settings_opened_and_saved_are_as_they_were(lab: Lab, client: Client) -> None:
    before = Scenario.parse(store.scenario_of(lab))
    path = reverse("vms:lab_edit", args=[lab.pk])
    answer = client.post(path, settings_of(client, lab))
    assert answer.status_code == 302, errors_in(answer)
    after = Scenario.parse(store.scenario_of(Lab.objects.get(pk=lab.pk)))
    assert (after.host, after.seed, after.expanded) == (before.host, before.seed, before.expanded)


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("seed", "-1", "seed must be 0..9223372036854775807, got -1"),
        ("host_frames", "1000000000", "host.frames must be 1..4194304 frames, got 1000000000"),
        ("host_pcpus", "", None),
        ("host_scheduler_policy", "credit9", "host.scheduler.policy must be one of"),
        ("host_scheduler_time_slice", "-3", "host.scheduler.time_slice must be 1..100000 ticks"),
        ("host_scheduler", "color: red", "host.scheduler.color: unknown key"),
        ("host_replacement_scope", "galaxy", "host.replacement.scope must be one of"),
        ("host_costs", "vm_exit_ns: -1", "host.costs.vm_exit_ns must be 0..1000000000 ns, got -1"),
        ("host_swap", "disk9", "The host has no device of this name."),
        ("other", "dialekt: ostep", "dialekt: unknown key, did you mean dialect?"),
        ("name", "a.b", "name must be 1..64 printable characters"),
    ],
)
def test_a_setting_is_refused_on_its_field(
    field: str, typed: str, sentence: str | None, lab: Lab, client: Client
) -> None:
    before = store.scenario_of(lab)
    sent = settings_of(client, lab) | {field: typed}
    answer = client.post(reverse("vms:lab_edit", args=[lab.pk]), sent)
    if sentence is None:
        assert answer.status_code == 302
        return
    assert answer.status_code == 422
    page = answer.content.decode()
    found = re.search(rf'id="id_{field}_error"><li>(.*?)</li>', page)
    assert found, errors_in(answer)
    assert sentence in found[1]
    assert store.scenario_of(Lab.objects.get(pk=lab.pk)) == before


@pytest.mark.parametrize(
    ("swap", "written"),
    [("[ideal]", "left out"), ("[none]", None), ("nic0", {"device": "nic0"})],
)
def test_swap_is_ideal_none_or_a_device(swap: str, written: Any, lab: Lab, client: Client) -> None:
    client.post(
        reverse("vms:lab_edit", args=[lab.pk]), settings_of(client, lab) | {"host_swap": swap}
    )
    assert store.scenario_of(Lab.objects.get(pk=lab.pk))["host"].get("swap", "left out") == written


def test_trace_files_are_kept_and_refused_by_name(lab: Lab, client: Client) -> None:
    path = reverse("vms:file_add", args=[lab.pk])
    client.post(path, {"file": SimpleUploadedFile("t.txt", b"1\n2\n")})
    assert bytes(TraceFile.objects.get().content) == b"1\n2\n"
    answer = client.post(path, {"file": SimpleUploadedFile("t.txt", b"3\n")}, follow=True)
    assert "The lab has a file of this name already." in answer.content.decode()
    answer = client.post(
        path, {"file": SimpleUploadedFile("x", b"3\n"), "name": "../x"}, follow=True
    )
    assert "got ../x." in answer.content.decode()
    assert TraceFile.objects.count() == 1


def test_a_file_that_is_replayed_stays(lab: Lab, client: Client) -> None:
    file = TraceFile.objects.create(lab=lab, name="t.txt", content=b"1", size=1)
    vm = lab.vms.get(name="batch")
    vm.workload = {"steps": [{"trace": {"file": "t.txt"}}]}
    vm.save()
    path = reverse("vms:file_delete", args=[lab.pk, file.pk])
    assert "t.txt is replayed by batch" in client.post(path, follow=True).content.decode()
    VirtualMachine.objects.filter(pk=vm.pk).update(workload={"steps": [{"compute": 1}]})
    client.post(path)
    assert not TraceFile.objects.exists()


def test_a_lab_is_deleted_after_a_question(lab: Lab, client: Client) -> None:
    path = reverse("vms:lab_delete", args=[lab.pk])
    assert "Delete Small?" in client.get(path).content.decode()
    assert "is in the trash" in client.post(path, follow=True).content.decode()
    assert not Lab.objects.filter(deleted=None).exists()


def test_a_step_beyond_the_memory_is_refused_at_the_step(lab: Lab, client: Client) -> None:
    sent = sent_for(lab, "web-1") | {"steps-1-touch_pages": "41"}
    answer = client.post(edit_url(lab, "web-1"), sent)
    step = answer.context["editor"].steps.forms[1]
    assert "must stay within the VM's pages 0..39, got page 40" in step.non_field_errors()[0]


def test_many_vms_come_a_hundred_at_a_time_and_are_found_by_name(
    alice: Any, client: Client
) -> None:
    from tests.people import SMALL
    from vms.founding import found

    lab = found(owner=alice, document=SMALL | {"vms": [SMALL["vms"][0] | {"count": 250}]})
    path = reverse("vms:lab_edit", args=[lab.pk])
    page = client.get(path).content.decode()
    assert page.count("Duplicate web-") == 100
    assert "1–100 of 250" in page
    page = client.get(path, {"page": "3", "q": "WEB"}).content.decode()
    assert page.count("Duplicate web-") == 50
    page = client.get(path, {"q": "web-25", "page": "nonsense"}).content.decode()
    assert page.count("Duplicate web-") == 2
    assert "No VM is called so: nobody" in client.get(path, {"q": "nobody"}).content.decode()


def test_numbers_in_an_address_may_be_too_large(lab: Lab, client: Client) -> None:
    assert client.get(f"/labs/{lab.pk}/vms/{10**30}/").status_code == 404
