"""The admin site: the schema's own sentences on its fields, conflicts refused in words."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from vms import alive, revisions, scenario_file, trash
from vms.alive import State
from vms.engine.scenario import Scenario
from vms.founding import found
from vms.live import store
from vms.models import (
    Checkpoint,
    Device,
    Host,
    JournalEntry,
    Lab,
    Mapping,
    Membership,
    Page,
    Revision,
    Run,
    Token,
    VirtualMachine,
)
from vms.models.machine import ACCESSED, PRESENT, SHARED, SWAPPED, WRITABLE
from vms.scenarios import templates

Data = dict[str, Any]
MODELS = (
    Lab,
    Membership,
    VirtualMachine,
    Page,
    Device,
    Mapping,
    Run,
    JournalEntry,
    Checkpoint,
    Revision,
    Token,
)


@pytest.fixture
def root(db: None, django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("root", password="root's password")


@pytest.fixture
def client(root: Any, as_: Callable[[Any], Client]) -> Client:
    return as_(root)


@pytest.fixture
def page_run(lab: Lab) -> Page:
    Page.objects.create(
        vm=lab.vms.get(name="web-2"), virtual_address=0, physical_address=30, span=5
    )
    return Page.objects.create(
        vm=lab.vms.get(name="web-1"), virtual_address=4, physical_address=10, span=3
    )


def change_url(row: Any) -> str:
    return reverse(f"admin:vms_{row._meta.model_name}_change", args=[row.pk])


def list_url(model: Any) -> str:
    return reverse(f"admin:vms_{model._meta.model_name}_changelist")


def as_shown(client: Client, path: str) -> Data:
    """What a browser would send back of an admin page as it is shown."""
    context = client.get(path).context
    sent: Data = {}
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for field in form:
            value = field.field.prepare_value(field.value()) if field.value() is not None else None
            if value is not None and value is not False:
                sent[field.html_name] = value
    return sent


def errors_in(answer: Any) -> list[str]:
    lists = re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', answer.content.decode(), re.S)
    found_ = [text for each in lists for text in re.findall(r"<li>(.*?)</li>", each, re.S)]
    return [text.replace("&#x27;", "'") for text in found_]


def act(client: Client, model: Any, action: str, *rows: Any, follow: bool = True) -> Any:
    sent = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(list_url(model), sent, follow=follow)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_its_lists_search_and_filters(
    model: Any, lab: Lab, page_run: Page, client: Client
) -> None:
    site = admin.site._registry[model]
    assert site.search_fields
    assert site.list_filter
    assert len(site.list_display) > 3
    assert client.get(list_url(model)).status_code == 200
    assert client.get(list_url(model), {"q": "web"}).status_code == 200


def test_the_admin_site_asks_for_the_login_of_the_site(db: None) -> None:
    answer = Client().get(reverse("admin:index"), follow=True)
    assert answer.redirect_chain[-1][0].startswith(reverse("account_login"))


def test_who_is_no_staff_stays_out(alice: Any, as_: Callable[[Any], Client]) -> None:
    assert as_(alice).get(list_url(Lab)).status_code in {302, 403}


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("weight", "-7", "vms[0].weight must be 1..262144, got -7"),
        ("pages", "20.5", "vms[0].pages must be 1..4194304 pages, got 20.5"),
        ("vcpus", "0", "vms[0].vcpus must be 1..256 vCPUs, got 0"),
        ("time_slice", "x", "vms[0].time_slice must be 1..100000 ticks, got x"),
        ("name", "web-2", "vms[1].name must be unique, got web-2, the name of vms[0]"),
        ("workload", "steps: []", "vms[0].workload.steps must have at least one entry, got none"),
        ("workload", "steps: [{compute: 0}]", "vms[0].workload.steps[0].compute must be 1.."),
        ("workload", "steps: [", "line 1: not YAML"),
        ("more", "wieght: 1", "vms[0].wieght: unknown key, did you mean weight?"),
    ],
)
def test_a_vm_is_refused_with_the_schemas_sentence(
    name: str, typed: str, sentence: str, lab: Lab, client: Client
) -> None:
    before = store.scenario_of(lab)
    path = change_url(lab.vms.get(name="web-1"))
    answer = client.post(path, as_shown(client, path) | {name: typed})
    assert answer.status_code == 200
    assert any(sentence in error for error in errors_in(answer)), errors_in(answer)
    form = answer.context["adminform"].form
    assert sentence in str(form.errors.get(name, form.errors.get("__all__"))[0])
    assert store.scenario_of(lab) == before


def test_a_vm_opened_and_saved_is_as_it_was(lab: Lab, client: Client) -> None:
    before = Scenario.parse(store.scenario_of(lab))
    for vm in lab.vms.all():
        path = change_url(vm)
        answer = client.post(path, as_shown(client, path))
        assert answer.status_code == 302, errors_in(answer)
    assert Scenario.parse(store.scenario_of(lab)) == before


@pytest.mark.parametrize("template", templates())
def test_a_template_opened_and_saved_row_by_row_is_as_it_was(
    template: str, alice: Any, client: Client
) -> None:
    client.post(reverse("admin:vms_lab_add"), {"template": template, "owner": alice.pk})
    lab = Lab.objects.get(owner=alice)
    before = Scenario.parse(store.scenario_of(lab))
    for row in (lab, *lab.vms.all(), *Device.objects.filter(lab=lab)):
        path = change_url(row)
        answer = client.post(path, as_shown(client, path))
        assert answer.status_code == 302, (row, errors_in(answer))
    assert Scenario.parse(store.scenario_of(lab)) == before


def test_a_vm_is_edited(lab: Lab, client: Client) -> None:
    path = change_url(lab.vms.get(name="batch"))
    changes = {"weight": "99", "workload": "repeat: forever\nsteps: [{compute: 3}, {sleep: 2}]"}
    assert client.post(path, as_shown(client, path) | changes).status_code == 302
    assert store.scenario_of(lab)["vms"][-1] == {
        "name": "batch",
        "pages": 16,
        "weight": 99,
        "workload": {"repeat": "forever", "steps": [{"compute": 3}, {"sleep": 2}]},
    }


def test_a_mapping_in_the_vm_is_refused_on_its_line(lab: Lab, client: Client) -> None:
    path = change_url(lab.vms.get(name="web-1"))
    answer = client.post(path, as_shown(client, path) | {"mappings-0-mode": "vf"})
    assert any("virtual functions of disk0" in error for error in errors_in(answer))
    mapping = Mapping.objects.get(vm__name="web-1")
    assert mapping.mode == "paravirtual"
    path = change_url(mapping)
    answer = client.post(path, as_shown(client, path) | {"mode": "passthrough"})
    assert any("passed through" in error for error in errors_in(answer))


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("channels", "0", "host.devices[0].channels must be 1..1024 channels, got 0"),
        ("name", "nic0", "must be unique, got nic0"),
        ("kind", "fpga", "host.devices[0].kind must be one of disk, nic, console, "),
    ],
)
def test_a_device_is_refused_with_the_schemas_sentence(
    name: str, typed: str, sentence: str, lab: Lab, client: Client
) -> None:
    path = change_url(lab.devices.get(name="disk0"))
    answer = client.post(path, as_shown(client, path) | {name: typed})
    assert any(sentence in error for error in errors_in(answer)), errors_in(answer)


def test_a_lab_is_edited_with_its_host_devices_and_vms_at_once(lab: Lab, client: Client) -> None:
    path = change_url(lab)
    changes = {"seed": "12", "host-0-frames": "128", "vms-0-weight": "5", "devices-0-channels": "2"}
    answer = client.post(path, as_shown(client, path) | changes)
    assert answer.status_code == 302, errors_in(answer)
    written = store.scenario_of(Lab.objects.get())
    assert written["seed"] == 12
    assert written["host"]["frames"] == 128
    assert written["host"]["devices"][0]["channels"] == 2
    assert written["vms"][0]["weight"] == 5


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("seed", "-1", "seed must be 0.."),
        ("host-0-frames", "0", "host.frames must be 1.."),
        ("vms-0-position", "first", "Enter a whole number."),
        ("host-0-swap", "magic", "not one of the available choices"),
        ("host-0-scheduler", "policy: magic", "host.scheduler.policy must be one of"),
        ("vms-1-pages", "0", "vms[1].pages must be 1.."),
        ("devices-1-name", "disk0", "must be unique, got disk0"),
    ],
)
def test_a_lab_is_refused_on_the_field_that_is_wrong(
    name: str, typed: str, sentence: str, lab: Lab, client: Client
) -> None:
    before = store.scenario_of(lab)
    path = change_url(lab)
    answer = client.post(path, as_shown(client, path) | {name: typed})
    assert answer.status_code == 200
    found_ = re.search(rf'id="id_{name}_error">(.*?)</ul>', answer.content.decode(), re.S)
    assert found_, errors_in(answer)
    assert sentence in found_[1]
    assert store.scenario_of(Lab.objects.get()) == before


def test_a_lab_is_added_from_a_template(alice: Any, client: Client) -> None:
    path = reverse("admin:vms_lab_add")
    assert client.post(path, {"template": "belady", "owner": alice.pk}).status_code == 302
    assert Lab.objects.get(owner=alice).vms.count() == 1
    assert client.post(path, {"template": "none", "owner": alice.pk}).status_code == 200


def test_a_lab_that_runs_says_when_a_change_takes_effect(
    lab: Lab, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive, "state_of", lambda lab_id: State("playing", 17, 3))
    path = change_url(lab.vms.get(name="batch"))
    answer = client.post(path, as_shown(client, path) | {"weight": "9"}, follow=True)
    said = "the change takes effect at its next start or reset"
    assert said in answer.content.decode()
    assert "alive, playing at tick 17" in client.get(list_url(Lab)).content.decode()


def test_a_lab_at_rest_says_nothing_of_the_kind(lab: Lab, client: Client) -> None:
    path = change_url(lab.vms.get(name="batch"))
    answer = client.post(path, as_shown(client, path) | {"weight": "9"}, follow=True)
    assert "takes effect" not in answer.content.decode()


def test_labs_are_duplicated(lab: Lab, client: Client) -> None:
    act(client, Lab, "duplicate_labs", lab)
    copy = Lab.objects.exclude(pk=lab.pk).get()
    assert (copy.name, copy.owner) == ("Small copy", lab.owner)


def test_scenarios_are_exported_one_or_many(lab: Lab, alice: Any, client: Client) -> None:
    one = act(client, Lab, "export_scenarios", lab, follow=False)
    assert scenario_file.parse(one.content) == store.scenario_of(lab)
    other = found(owner=alice, template="belady")
    many = act(client, Lab, "export_scenarios", lab, other, follow=False)
    with zipfile.ZipFile(io.BytesIO(many.content)) as archive:
        texts = [archive.read(name) for name in archive.namelist()]
    assert [scenario_file.parse(text)["name"] for text in texts].count("Small") == 1
    assert len(texts) == 2


def test_a_lab_at_rest_is_reset(lab: Lab, page_run: Page, client: Client) -> None:
    run = Run.objects.create(lab=lab, number=1, seed=1, scenario={}, engine_version="x")
    Checkpoint.objects.create(run=run, tick=5, state=b"x")
    Lab.objects.filter(pk=lab.pk).update(current=run)
    answer = act(client, Lab, "reset_labs", lab)
    assert "starts from tick 0" in answer.content.decode()
    assert not Page.objects.exists()
    lab.refresh_from_db()
    assert lab.current is None
    assert Checkpoint.objects.get().run == run  # what was is not lost


def test_a_lab_is_opened_in_the_dashboard(lab: Lab, alice: Any, client: Client) -> None:
    assert act(client, Lab, "open_in_dashboard", lab, follow=False)["Location"] == (
        lab.get_absolute_url()
    )
    vm = lab.vms.get(name="batch")
    answer = act(client, VirtualMachine, "open_in_dashboard", vm, follow=False)
    assert answer["Location"] == lab.get_absolute_url()
    other = found(owner=alice, template="belady")
    assert "Select one lab" in act(client, Lab, "open_in_dashboard", lab, other).content.decode()
    assert client.get(lab.get_absolute_url()).status_code == 200


def test_vms_are_duplicated_or_refused_in_words(lab: Lab, client: Client) -> None:
    act(client, VirtualMachine, "duplicate_vms", lab.vms.get(name="batch"))
    assert lab.vms.filter(name="batch-2").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"physical_address": "30"}, "frame 30 belongs to web-2 already: 0..4 → 30..34"),
        ({"physical_address": "28"}, "frame 30 belongs to web-2 already"),
        ({"physical_address": "64"}, "physical_address must be 0..63, got 64"),
        ({"physical_address": "62"}, "frames 62..64 are beyond memory: the host has 0..63"),
        ({"physical_address": "many"}, "physical_address must be 0..63, got many"),
        ({"physical_address": ""}, "a present page has a frame, got none"),
        ({"virtual_address": "40"}, "virtual_address must be 0..39, got 40"),
        ({"virtual_address": "-1"}, "virtual_address must be 0..39, got -1"),
        ({"virtual_address": "39"}, "span must be 1..1, got 3"),
        ({"span": "0"}, "span must be 1..36, got 0"),
        ({"flags": [SWAPPED]}, "a page that is not present has no frame"),
        ({"flags": [PRESENT, SWAPPED]}, "a page is present or swapped, not both"),
        ({"flags": [PRESENT, SHARED]}, "pages of an image are shared"),
    ],
)
def test_a_page_that_cannot_be_is_refused_in_words(
    changes: Data, sentence: str, page_run: Page, client: Client
) -> None:
    sent: Data = {"vm": page_run.vm_id, "virtual_address": 4, "physical_address": 10, "span": 3}
    sent |= {"flags": [PRESENT, WRITABLE]} | changes
    answer = client.post(change_url(page_run), sent)
    assert any(sentence in error for error in errors_in(answer)), errors_in(answer)
    page_run.refresh_from_db()
    assert (page_run.virtual_address, page_run.physical_address, page_run.span) == (4, 10, 3)


def test_two_rows_for_one_page_are_refused(page_run: Page, client: Client) -> None:
    sent = {"vm": page_run.vm_id, "virtual_address": 6, "physical_address": 50, "span": 1}
    answer = client.post(reverse("admin:vms_page_add"), sent | {"flags": [PRESENT]})
    said = "pages 6..6 of web-1 have a row already: 4..6 → 10..12"
    assert said in errors_in(answer)


def test_a_page_is_edited_and_a_lab_without_a_run_says_what_becomes_of_it(
    page_run: Page, client: Client
) -> None:
    sent = {"vm": page_run.vm_id, "virtual_address": 4, "physical_address": 20, "span": 2}
    answer = client.post(change_url(page_run), sent | {"flags": [PRESENT, ACCESSED]}, follow=True)
    assert "it starts with empty memory" in answer.content.decode()
    page_run.refresh_from_db()
    assert (page_run.physical_address, page_run.flag_names) == (20, ["present", "accessed"])


def test_pages_of_a_live_lab_are_left_alone(
    page_run: Page, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive, "state_of", lambda lab_id: State("paused", 17, 3))
    sent = {"vm": page_run.vm_id, "virtual_address": 4, "physical_address": 20, "span": 2}
    answer = client.post(change_url(page_run), sent | {"flags": [PRESENT]})
    assert "moves its pages itself" in errors_in(answer)[0]


def test_pages_are_filtered_by_flag(page_run: Page, client: Client) -> None:
    answer = client.get(list_url(Page), {"flag": str(SWAPPED)})
    assert answer.context["cl"].result_count == 0
    answer = client.get(list_url(Page), {"flag": str(PRESENT)})
    assert answer.context["cl"].result_count == 2


def test_runs_and_journals_are_read_and_not_written(lab: Lab, client: Client, root: Any) -> None:
    from django.utils import timezone

    run = Run.objects.create(lab=lab, number=1, seed=1, scenario={"a": "<b>"}, engine_version="x")
    entry = JournalEntry.objects.create(
        run=run,
        sequence=1,
        tick=3,
        user=root,
        name="root",
        command={"type": "set_weight", "vm": "batch", "weight": 0},
        accepted=False,
        sentence="weight must be 1..262144, got 0",
        at=timezone.now(),
    )
    text = client.get(change_url(run)).content.decode()
    assert "&lt;b&gt;" in text
    assert "set_weight vm=batch weight=0" in text
    assert client.post(change_url(entry), {"tick": 9}).status_code == 403
    assert client.get(reverse("admin:vms_run_add")).status_code == 403


def test_a_member_changed_in_the_admin_site_loses_the_sockets(
    lab: Lab, bob: Any, join: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(alive, "kick", lambda lab_id, who: seen.append(who))
    monkeypatch.setattr(alive, "renew", lambda lab_id, who: seen.append(who))
    member = join(bob, "driver")
    sent = {"lab": str(lab.pk), "user": bob.pk, "role": "observer"}
    assert client.post(change_url(member), sent).status_code == 302
    assert seen == [f"u{bob.pk}"]
    act(client, Membership, "delete_selected", member)
    client.post(
        list_url(Membership),
        {"action": "delete_selected", "_selected_action": [member.pk], "post": "yes"},
    )
    assert seen == [f"u{bob.pk}"] * 2


def test_a_lab_deleted_in_the_admin_site_is_stopped(
    lab: Lab, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(alive, "stop", seen.append)
    client.post(reverse("admin:vms_lab_delete", args=[lab.pk]), {"post": "yes"})
    assert seen == [lab.pk]
    lab.refresh_from_db()
    assert lab.deleted is not None
    assert Host.objects.exists()
    client.post(reverse("admin:vms_lab_delete", args=[lab.pk]), {"post": "yes"})
    assert not Host.objects.exists()


def test_a_lab_in_the_trash_is_marked_and_can_be_taken_out(lab: Lab, client: Client) -> None:
    trash.throw(lab)
    assert "in the trash" in client.get(list_url(Lab)).content.decode()
    assert str(lab.pk) in client.get(list_url(Lab), {"deleted__isempty": "0"}).content.decode()
    assert str(lab.pk) not in client.get(list_url(Lab), {"deleted__isempty": "1"}).content.decode()
    act(client, Lab, "restore_labs", lab)
    lab.refresh_from_db()
    assert lab.deleted is None


def test_every_edit_in_the_admin_site_is_a_revision(lab: Lab, client: Client, root: Any) -> None:
    vm = lab.vms.get(name="web-1")
    sent = as_shown(client, change_url(vm)) | {"weight": "300"}
    assert client.post(change_url(vm), sent).status_code == 302
    client.post(reverse("admin:vms_virtualmachine_delete", args=[vm.pk]), {"post": "yes"})
    sent = as_shown(client, change_url(lab)) | {"name": "Other"}
    assert client.post(change_url(lab), sent).status_code == 302
    told = list(lab.revisions.order_by("number").values_list("what", "user"))
    assert told == [
        ("the lab as it was made", None),
        ("VM web-1: weight 256 → 300", root.pk),
        ("VM web-1 was deleted", root.pk),
        ("name Small → Other", root.pk),
    ]


def test_an_admin_page_that_is_refused_makes_no_revision(lab: Lab, client: Client) -> None:
    vm = lab.vms.get(name="web-1")
    client.post(change_url(vm), as_shown(client, change_url(vm)) | {"weight": "-1"})
    assert [row.what for row in lab.revisions.all()] == ["the lab as it was made"]


def test_vms_added_and_deleted_by_the_list_are_revisions(lab: Lab, client: Client) -> None:
    act(client, VirtualMachine, "duplicate_vms", lab.vms.get(name="batch"))
    sent = {
        "action": "delete_selected",
        "_selected_action": [lab.vms.get(name="web-1").pk, lab.vms.get(name="web-2").pk],
        "post": "yes",
    }
    client.post(list_url(VirtualMachine), sent)
    told = [row.what for row in lab.revisions.order_by("number")]
    assert told[1:] == ["VM batch-2 was added", "VM web-1, web-2 was deleted"]


def test_history_and_tokens_are_read_only_and_secrets_are_not_shown(
    lab: Lab, client: Client, root: Any
) -> None:
    with revisions.edit(lab, None):
        lab.vms.filter(name="batch").delete()
    token = Token.objects.create(user=root, name="n", prefix="abcdefgh", digest="d" * 64)
    for row in (lab.revisions.first(), token):
        page = client.get(change_url(row)).content.decode()
        assert "dddddddd" not in page
        assert client.post(change_url(row), {"name": "x"}).status_code == 403
    act(client, Token, "revoke_tokens", token)
    token.refresh_from_db()
    assert token.revoked is not None


def test_a_lab_is_exported_from_the_list(lab: Lab, client: Client) -> None:
    answer = act(client, Lab, "export_labs", lab, follow=False)
    assert answer["Content-Disposition"].startswith('attachment; filename="Small.vmlab"')
    for close in answer._resource_closers:
        close()


def test_lists_cost_the_same_however_long_they_are(
    lab: Lab, alice: Any, client: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        found(owner=alice, template="server_consolidation")
    for model in (Lab, Device, Mapping):
        with django_assert_max_num_queries(12):
            client.get(list_url(model))
