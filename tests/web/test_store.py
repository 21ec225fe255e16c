"""The bridge between rows and engine: nothing is lost on the way there and back."""

from __future__ import annotations

import asyncio
import importlib
import uuid
from typing import Any

import numpy as np
import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.engine.strategies import scenarios
from tests.people import SMALL
from vms.engine.checkpoint import save
from vms.engine.errors import EngineError
from vms.engine.machine import build
from vms.engine.scenario import Scenario
from vms.engine.tables import LAYOUT_HASH, PRESENT, SWAPPED, WRITABLE
from vms.engine.tick import advance
from vms.founding import duplicate, found
from vms.live import store
from vms.live.replay import machine_at, state_hash
from vms.live.store import pages as page_rows
from vms.live.store.pages import COLUMNS, runs_in_rows, runs_of, table_of, values_of
from vms.models import Checkpoint, JournalEntry, Lab, Page, Run, TraceFile
from vms.scenarios import templates


def parsed(document: dict[str, Any]) -> Scenario:
    return Scenario.parse(document)


def play(machine: Any, ticks: int) -> None:
    goal = machine.now + ticks
    while machine.now < goal and not (machine.ended or machine.stalled):
        advance(machine, goal - machine.now)
        machine.drain()


@pytest.mark.parametrize("name", templates())
def test_a_template_comes_out_of_the_rows_as_it_went_in(name: str, alice: Any) -> None:
    lab = found(owner=alice, template=name)
    before, after = parsed(templates()[name].data()), parsed(store.scenario_of(lab))
    assert after.expanded == before.expanded
    assert after.host == before.host
    assert after.rules() == before.rules()


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=scenarios())
def test_any_scenario_comes_out_of_the_rows_as_it_went_in(
    document: dict[str, Any], django_db_blocker: Any
) -> None:
    before = parsed(document)
    lab = found(document=document, guest=uuid.uuid4())
    after = parsed(store.scenario_of(lab))
    assert (after.seed, after.tick_us, after.dialect) == (
        before.seed,
        before.tick_us,
        before.dialect,
    )
    assert after.host == before.host
    assert after.host.ideal_store == before.host.ideal_store
    assert after.expanded == before.expanded
    # and once more, from the scenario that the rows gave
    store.rows_from(lab, after)
    assert store.scenario_of(lab) == store.scenario_of(Lab.objects.get(pk=lab.pk))
    assert parsed(store.scenario_of(lab)) == after


def test_equal_vms_that_are_numbered_are_written_with_count(lab: Lab) -> None:
    written = store.scenario_of(lab)["vms"]
    assert [(vm["name"], vm.get("count")) for vm in written] == [("web", 2), ("batch", None)]


def test_a_vm_that_differs_is_written_apart(lab: Lab) -> None:
    lab.vms.filter(name="web-2").update(weight=512)
    assert [vm["name"] for vm in store.scenario_of(lab)["vms"]] == ["web-1", "web-2", "batch"]


@given(
    table=arrays(
        np.int32,
        st.integers(0, 40),
        elements=st.one_of(
            st.just(0),
            st.just(SWAPPED),
            st.builds(lambda f: f | PRESENT, st.integers(0, 8)),
            st.builds(lambda f: f | PRESENT | WRITABLE, st.integers(0, 8)),
        ),
    )
)
def test_a_page_table_comes_out_of_its_runs_as_it_went_in(table: Any) -> None:
    runs = runs_of(table)
    assert np.array_equal(table_of(len(table), runs), table)
    rows = [Page(**dict(zip(COLUMNS, values, strict=True))) for values in values_of(1, runs)]
    assert np.array_equal(table_of(len(table), runs_in_rows(rows)), table)
    assert int(runs.span.sum()) == np.count_nonzero(table)


def test_pages_that_follow_one_another_are_one_run() -> None:
    table = np.zeros(10, np.int32)
    table[2:6] = np.arange(20, 24) | PRESENT
    table[6] = SWAPPED
    table[7] = SWAPPED
    runs = runs_of(table)
    assert list(zip(runs.first, runs.frame, runs.span, strict=True)) == [(2, 20, 4), (6, -1, 2)]


def rest(lab: Lab, ticks: int = 300, status: str = "paused") -> Any:
    """Run the lab for a while and write it back; return the machine."""
    scenario, files = async_to_sync(store.load)(lab.pk)
    machine = build(scenario, files)
    run = async_to_sync(store.open_run)(lab.pk, machine, scenario)
    play(machine, ticks)
    async_to_sync(store.write_back)(lab.pk, machine, status, run)
    return machine


def at_rest(lab: Lab) -> Any:
    """Return the machine that the lab goes on with."""
    run_id = async_to_sync(store.run_to_go_on)(lab.pk)
    assert run_id is not None
    recording = store.recording_of(run_id)
    return machine_at(recording, recording.tick)


def table_in_rows(lab: Lab, name: str) -> Any:
    vm = lab.vms.get(name=name)
    return table_of(vm.pages, runs_in_rows(list(Page.objects.filter(vm=vm))))


@pytest.mark.django_db(transaction=True)
def test_what_a_run_leaves_is_in_the_rows(lab: Lab) -> None:
    machine = rest(lab)
    for row, name in enumerate(machine.vm_names):
        first, pages = (int(machine.state.vm[row][key]) for key in ("first_page", "pages"))
        assert np.array_equal(table_in_rows(lab, name), machine.state.pte[first : first + pages])
    run = Run.objects.get()
    assert run.result is not None
    assert (run.status, run.tick, run.event_hash) == ("paused", machine.now, machine.event_hash)
    assert run.result["ticks"] == machine.now
    lab.refresh_from_db()
    assert lab.status == "paused"


@pytest.mark.django_db(transaction=True)
def test_a_lab_goes_on_where_it_rested(lab: Lab) -> None:
    machine = rest(lab)
    again = at_rest(lab)
    for each in (machine, again):
        play(each, 200)
    assert again.event_hash == machine.event_hash


@pytest.mark.django_db(transaction=True)
def test_a_lab_edited_at_rest_starts_anew(lab: Lab) -> None:
    rest(lab)
    lab.vms.filter(name="batch").update(weight=300)
    assert async_to_sync(store.run_to_go_on)(lab.pk) is None


@pytest.mark.django_db(transaction=True)
def test_a_lab_that_was_playing_when_the_server_ended_goes_on_although_it_was_edited(
    lab: Lab,
) -> None:
    rest(lab)
    lab.vms.filter(name="batch").update(weight=300)
    Run.objects.update(playing=True)
    assert async_to_sync(store.run_to_go_on)(lab.pk) == Run.objects.get().pk


@pytest.mark.django_db(transaction=True)
def test_an_edit_that_is_taken_back_is_none(lab: Lab) -> None:
    rest(lab)
    before = lab.vms.get(name="batch").weight
    for weight in (300, before):
        lab.vms.filter(name="batch").update(weight=weight)
    assert async_to_sync(store.run_to_go_on)(lab.pk) is not None


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_reset_leaves_its_own_row_and_nothing_in_the_labs(lab: Lab) -> None:
    scenario, files = async_to_sync(store.load)(lab.pk)
    old = build(scenario, files)
    first = async_to_sync(store.open_run)(lab.pk, old, scenario)
    play(old, 200)
    async_to_sync(store.open_run)(lab.pk, build(scenario, files), scenario)
    async_to_sync(store.write_back)(lab.pk, old, "stopped", first)
    assert not Page.objects.exists()
    assert list(lab.runs.values_list("number", "tick", "origin")) == [
        (2, 0, "reset"),
        (1, 200, "start"),
    ]
    lab.refresh_from_db()
    assert (lab.current, lab.status) == (lab.runs.get(number=2), "paused")
    assert lab.current is not None
    assert lab.current.parent == lab.runs.get(number=1)


@pytest.mark.django_db(transaction=True)
def test_pages_of_a_vm_that_was_edited_meanwhile_are_not_written(lab: Lab) -> None:
    scenario, files = async_to_sync(store.load)(lab.pk)
    machine = build(scenario, files)
    run = async_to_sync(store.open_run)(lab.pk, machine, scenario)
    play(machine, 300)
    lab.vms.filter(name="web-1").update(pages=20)
    async_to_sync(store.write_back)(lab.pk, machine, "paused", run)
    assert {page.vm.name for page in Page.objects.select_related("vm")} == {"web-2"}


@pytest.mark.django_db(transaction=True)
def test_a_lab_that_is_gone_says_so(lab: Lab) -> None:
    machine = rest(lab)
    pk = lab.pk
    lab.delete()
    with pytest.raises(store.LabGone):
        async_to_sync(store.load)(pk)
    async_to_sync(store.write_back)(pk, machine, "stopped")  # nothing to do, nothing raised


@pytest.mark.django_db(transaction=True)
def test_the_limits_of_the_server_hold_for_rows_too(lab: Lab, settings: Any) -> None:
    settings.VMLAB_LIMITS = {"vcpus": 2, "pages": 1000, "frames": 1000}
    with pytest.raises(EngineError, match="vCPUs"):
        async_to_sync(store.load)(lab.pk)


@pytest.mark.django_db(transaction=True)
def test_a_command_is_journaled_before_and_after(lab: Lab, alice: Any) -> None:
    rest(lab)
    run = Run.objects.get()
    entry: dict[str, Any] = {
        "sequence": 1,
        "tick": 5,
        "user": f"u{alice.pk}",
        "name": "alice",
        "command": {"type": "set_weight", "vm": "batch", "weight": 3},
        "accepted": None,
        "sentence": "",
        "at": 1_790_000_000.0,
    }
    write = async_to_sync(store.journal)
    write(run.pk, [entry])
    write(run.pk, [entry | {"accepted": False, "sentence": "no"}])
    write(run.pk, [entry | {"sequence": 2, "user": "g123", "accepted": True}])
    rows = list(JournalEntry.objects.values_list("sequence", "user", "accepted", "sentence"))
    assert rows == [(1, alice.pk, False, "no"), (2, None, True, "")]
    kept = store.recording_of(run.pk)
    assert [each["user"] for each in kept.entries] == [f"u{alice.pk}", None]


@pytest.mark.django_db(transaction=True)
def test_what_a_control_changes_of_the_run_is_written_with_it(lab: Lab) -> None:
    rest(lab)
    run = Run.objects.get()
    async_to_sync(store.journal)(run.pk, [], {"playing": True, "speed": 7})
    run.refresh_from_db()
    assert (run.playing, run.speed) == (True, 7)


@pytest.mark.django_db(transaction=True)
def test_entries_of_a_run_that_is_gone_take_no_others_with_them(lab: Lab) -> None:
    rest(lab)
    run = Run.objects.get()
    entry: dict[str, Any] = {
        "sequence": 1,
        "tick": 5,
        "name": "",
        "command": {"type": "play"},
        "accepted": None,
        "at": 1_790_000_000.0,
    }

    async def write_both() -> Any:
        both = store.journal(run.pk + 1, [entry]), store.journal(run.pk, [entry])
        return await asyncio.gather(*both, return_exceptions=True)

    refused, written = async_to_sync(write_both)()
    assert isinstance(refused, IntegrityError)
    assert written is None
    assert JournalEntry.objects.get().run == run


@pytest.mark.django_db(transaction=True)
def test_a_workload_reads_the_labs_own_files(alice: Any) -> None:
    document = SMALL | {
        "vms": [{"name": "r", "pages": 9, "workload": {"steps": [{"trace": {"file": "t.txt"}}]}}]
    }
    lab = found(owner=alice, document=document)
    scenario, files = async_to_sync(store.load)(lab.pk)
    with pytest.raises(EngineError, match=r"t\.txt"):
        build(scenario, files)
    TraceFile.objects.create(lab=lab, name="t.txt", content=b"1\n2\n8\n", size=6)
    scenario, files = async_to_sync(store.load)(lab.pk)
    assert build(scenario, files).now == 0


@pytest.mark.django_db(transaction=True)
def test_pages_edited_at_rest_are_in_the_lab_when_it_goes_on(lab: Lab, alice: Any) -> None:
    rest(lab)
    page = Page.objects.filter(physical_address__isnull=False, span=1).first()
    used = {
        frame
        for each in Page.objects.filter(physical_address__isnull=False)
        for frame in range(each.physical_address or 0, (each.physical_address or 0) + each.span)
    }
    free = sorted(set(range(64)) - used)
    assert page is not None
    if free:
        page.physical_address = free[0]
        page.save()
    else:
        page.delete()
    assert store.keep_pages(lab, alice.pk, "alice") == 1
    from_checkpoint = at_rest(lab)
    assert Checkpoint.objects.order_by("sequence").last().sequence == 1  # type: ignore[union-attr]
    Checkpoint.objects.all().delete()
    machine = at_rest(lab)
    assert state_hash(machine) == state_hash(from_checkpoint)
    for row, name in enumerate(machine.vm_names):
        first, pages = (int(machine.state.vm[row][key]) for key in ("first_page", "pages"))
        assert np.array_equal(table_in_rows(lab, name), machine.state.pte[first : first + pages])
    command = JournalEntry.objects.get().command
    assert (command["type"], command["pages"]) == ("edit_pages", 1)


@pytest.mark.django_db(transaction=True)
def test_pages_that_were_too_many_for_rows_stay_when_others_are_edited(
    lab: Lab, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = rest(lab)
    tables = {}
    for name, row in zip(machine.vm_names, machine.state.vm, strict=True):
        first = int(row["first_page"])
        tables[name] = machine.state.pte[first : first + int(row["pages"])].copy()
    monkeypatch.setattr(page_rows, "MOST_RUNS", len(runs_of(tables["web-1"])))
    async_to_sync(store.write_back)(lab.pk, machine, "paused")
    assert set(Page.objects.values_list("vm__name", flat=True)) == {"web-1"}
    Page.objects.filter(physical_address__isnull=False).first().delete()  # type: ignore[union-attr]
    assert store.keep_pages(lab, alice.pk, "alice") >= 1  # type: ignore[operator]
    found = at_rest(lab)
    for name, row in zip(found.vm_names, found.state.vm, strict=True):
        own = slice(int(row["first_page"]), int(row["first_page"] + row["pages"]))
        assert np.array_equal(found.state.pte[own], tables[name]) == (name != "web-1")


def test_a_duplicate_has_the_scenario_and_the_files(lab: Lab, charlie: Any) -> None:
    TraceFile.objects.create(lab=lab, name="t.txt", content=b"1", size=1)
    copy = duplicate(lab, charlie)
    assert copy.owner == charlie
    assert store.scenario_of(copy) == store.scenario_of(lab) | {"name": "Small copy"}
    assert [file.name for file in copy.files.all()] == ["t.txt"]


def test_old_checkpoints_keep_their_state_and_say_what_they_hold() -> None:
    layout_of = importlib.import_module("vms.migrations.0002_time_runs_both_ways").layout_of
    machine = build(parsed(SMALL))
    assert layout_of(save(machine)) == LAYOUT_HASH
    assert layout_of(b"VMLAB-2\n" + bytes(40)) == ""
    assert layout_of(b"") == ""


def test_a_checkpoint_goes_with_its_run(lab: Lab) -> None:
    run = Run.objects.create(lab=lab, number=1, seed=1, scenario={}, engine_version="x")
    Checkpoint.objects.create(run=run, tick=0, state=b"x")
    lab.delete()
    assert not Checkpoint.objects.exists()
