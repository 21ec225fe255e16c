"""The event log of a run: made by playing it again, streamed, the same however it is cut."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.urls import reverse

from tests.engine import event_files as files
from tests.people import let_go
from tests.web.test_lab_file import SLICE, WEIGHT, played, random_commands
from vms import eventlog
from vms.engine.errors import EngineError
from vms.eventlog.describe import described
from vms.export import events
from vms.export.events import EventExport, Span, span_asked
from vms.models import Lab, Run
from vms.views.export import recording
from vms.views.responses import PartsOf, streamed

TICKS = 400


@pytest.fixture
def run(lab: Lab) -> Run:
    return played(lab, TICKS, [(100, WEIGHT), (200, SLICE)])


def exported(run: Run, suffix: str = ".jsonl", first: int = 0, last: int | None = None) -> bytes:
    """Return a whole log, made turn by turn."""
    export = EventExport(recording(run), suffix, Span(first, run.tick if last is None else last))
    parts = []
    while not export.done:
        parts.append(export.turn())
    return b"".join(parts)


def drained(run: Run) -> list[dict[str, Any]]:
    """Return the events of a run as the replay itself drains them."""
    from vms.live.replay import reach
    from vms.live.store.recording import recording_of

    batches: list[Any] = []
    machine = reach(recording_of(run.pk), run.tick, collect=batches.append).machine
    return [event for rows in batches for event in described(machine, rows)]


def asked(of: Run, user: Any, format: str = "jsonl", **query: Any) -> Any:
    """Return the answer to a request, its content read as a server would."""

    async def ask() -> Any:
        client = AsyncClient()
        if user is not None:
            await client.aforce_login(user)
        path = reverse("vms:lab_events", args=[of.lab_id, format])
        answer: Any = await client.get(path, query)
        if answer.streaming:
            answer.whole = b"".join([part async for part in answer.streaming_content])
        return answer

    return async_to_sync(ask)()


def test_a_log_has_every_event_of_the_run(run: Run) -> None:
    events = files.of_jsonl(exported(run))
    assert events == drained(run)
    assert [event["t"] for event in events if event["kind"] == "command"] == [100, 200]


def test_every_format_says_the_same_events_of_a_run(run: Run) -> None:
    found = files.of_jsonl(exported(run))
    assert files.of_csv(exported(run, ".csv")) == found
    assert files.of_parquet(exported(run, ".parquet")) == found
    assert len(files.of_chrome(exported(run, ".json"), 100)) == len(found)
    assert len(files.of_perfetto(exported(run, ".perfetto-trace"), 100_000)) == len(found)


def test_logs_of_parts_make_the_log_of_the_whole(run: Run) -> None:
    draw, whole = random.Random(4), exported(run)
    for _try in range(6):
        cut = draw.randrange(TICKS + 1)
        assert exported(run, last=cut) + exported(run, first=cut) == whole, cut


def test_a_log_does_not_depend_on_how_long_a_turn_is(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {suffix: exported(run, suffix) for suffix in eventlog.LOGS}
    monkeypatch.setattr(events, "TURN_S", 1e-6)
    monkeypatch.setattr(events, "FIRST_CHUNK", 1)
    assert {suffix: exported(run, suffix) for suffix in eventlog.LOGS} == found


def test_a_log_begins_at_the_nearest_checkpoint(run: Run) -> None:
    from vms.engine import VERSION
    from vms.engine.checkpoint import save
    from vms.engine.tables import LAYOUT_HASH
    from vms.live.replay import reach
    from vms.live.store.recording import recording_of

    without = exported(run, first=300)
    reached = reach(recording_of(run.pk), 250)
    made = {"layout": LAYOUT_HASH, "engine_version": VERSION}
    run.checkpoints.create(tick=250, sequence=reached.sequence, state=save(reached.machine), **made)
    export = EventExport(recording(run), ".jsonl", Span(300, TICKS))
    export._step()
    assert export.tick == 250
    assert exported(run, first=300) == without


@pytest.mark.parametrize("seed", range(4))
def test_logs_of_random_runs_are_those_of_their_replay(lab: Lab, seed: int) -> None:
    draw = random.Random(seed)
    run = played(lab, 300, random_commands(draw, ["web-1", "web-2", "batch"], 300))
    assert files.of_jsonl(exported(run)) == drained(run)


def test_a_run_that_is_over_has_all_its_events(alice: Any) -> None:
    from vms.founding import found

    document = {"name": "ends", "vms": [{"name": "v", "workload": {"steps": [{"compute": 20}]}}]}
    run = played(found(owner=alice, document=document), 500)
    assert files.of_jsonl(exported(run))[-1]["kind"] in {"end", "slice"}


# The address


def test_a_member_downloads_the_log_of_the_current_run(run: Run, alice: Any) -> None:
    answer = asked(run, alice)
    assert answer.whole == exported(run)
    assert answer["Content-Disposition"].startswith('attachment; filename="Small run 1.jsonl"')
    assert answer["Content-Type"] == "application/jsonl; charset=utf-8"


def test_part_of_another_run_is_asked_for_by_its_number(run: Run, alice: Any) -> None:
    played(run.lab, 100)
    answer = asked(run, alice, "csv", **{"run": 1, "from": 50, "to": 120})
    assert answer.whole == exported(run, ".csv", 50, 120)


def test_a_run_that_is_not_there_is_not_found(run: Run, alice: Any) -> None:
    other = Run.objects.create(lab=run.lab, number=5, seed=1, scenario=run.scenario)
    Run.objects.filter(pk=other.pk).update(deleted=other.started)
    for number in ("9", "5", "-1", "x", "1" * 40):
        assert asked(run, alice, run=number).status_code == 404
    assert asked(run, alice, "exe").status_code == 404


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"from": "-1"}, "from must be 0..400, got -1"),
        ({"from": "x"}, "from must be 0..400, got x"),
        ({"to": "401"}, "to must be 0..400, got 401"),
        ({"from": "300", "to": "200"}, "from must be 0..200, got 300"),
        ({"to": "9" * 50}, "to must be 0..400"),
    ],
)
def test_a_part_that_is_none_is_refused_in_one_sentence_beside_its_field(
    run: Run, alice: Any, as_: Callable[[Any], Client], query: dict[str, str], sentence: str
) -> None:
    path = reverse("vms:lab_events", args=[run.lab_id, "csv"])
    answer = as_(alice).get(path, query, headers={"accept": "text/csv"})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    page = as_(alice).get(path, query, headers={"accept": "text/html"}, follow=True)
    assert page.status_code == 422
    assert sentence in page.content.decode()
    assert 'aria-invalid="true"' in page.content.decode()


def test_a_log_of_too_many_ticks_is_refused(settings: Any) -> None:
    settings.VMLAB_EXPORT_TICKS = 100
    assert span_asked("300", "400", 1_000) == Span(300, 400)
    with pytest.raises(EngineError, match="must span at most 100 ticks, got 101"):
        span_asked("300", "401", 1_000)


def test_a_lab_that_never_ran_has_no_events_yet(
    lab: Lab, alice: Any, as_: Callable[[Any], Client]
) -> None:
    path = reverse("vms:lab_events", args=[lab.pk, "csv"])
    page = as_(alice).get(path, follow=True).content.decode()
    assert "There is no result yet" in page
    assert as_(alice).get(path, headers={"accept": "text/csv"}).status_code == 404


def test_the_export_page_leads_on_to_the_log(
    run: Run, alice: Any, as_: Callable[[Any], Client]
) -> None:
    page = reverse("vms:lab_export", args=[run.lab_id])
    assert "ui.perfetto.dev" in as_(alice).get(page).content.decode()
    query: dict[str, str] = {"format": "parquet", "run": "1", "from": "5", "to": ""}
    answer = as_(alice).get(page, query)
    path = reverse("vms:lab_events", args=[run.lab_id, "parquet"])
    assert answer["Location"] == f"{path}?run=1&from=5"
    refused = as_(alice).get(page, query | {"format": "exe"})
    assert refused.status_code == 422
    assert "format must be one of jsonl, csv" in refused.content.decode()


def test_head_makes_no_log(run: Run, alice: Any, as_: Callable[[Any], Client]) -> None:
    path = reverse("vms:lab_events", args=[run.lab_id, "csv"])
    answer = as_(alice).head(path)
    assert not answer.streaming
    assert answer["Content-Type"] == "text/csv; charset=utf-8"


def test_results_and_scenarios_of_a_run_are_asked_for_by_its_number(
    run: Run, alice: Any, as_: Callable[[Any], Client]
) -> None:
    Run.objects.filter(pk=run.pk).update(result={"name": "of run 1"})
    later = played(run.lab, 10)
    Run.objects.filter(pk=later.pk).update(result={"name": "of run 2"})
    client = as_(alice)
    for number in ("1", "2"):
        path = reverse("vms:lab_result", args=[run.lab_id])
        answer = client.get(path, {"run": number})
        assert json.loads(answer.content) == {"name": f"of run {number}"}
    scenario = reverse("vms:lab_scenario", args=[run.lab_id])
    answer = client.get(scenario, {"run": "1", "format": "json"})
    assert json.loads(answer.content) == run.scenario
    assert client.get(scenario, {"run": 9}).status_code == 404


# Streams


async def test_a_client_that_goes_away_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        done, turns = False, 0

        class outbox:  # noqa: N801
            taken = 0

        def turn(self) -> bytes:
            self.turns += 1
            return b"x"

    export: Any = Endless()
    parts = events.stream(export)
    assert await anext(parts) == b"x"
    await parts.aclose()  # type: ignore[attr-defined]
    assert export.turns == 1
    assert not events.slots().locked()


async def test_a_log_that_grows_too_long_is_broken_off(settings: Any) -> None:
    settings.VMLAB_EXPORT_BYTES = 10

    class Long:
        done = False

        class recording:  # noqa: N801
            run_id = 1

        class outbox:  # noqa: N801
            taken = 11

        def turn(self) -> bytes:
            return b"x"

    export: Any = Long()
    with pytest.raises(EngineError, match="at most 10 bytes"):
        await anext(events.stream(export))


async def test_no_more_logs_than_allowed_are_made_at_the_same_time(settings: Any) -> None:
    settings.VMLAB_EXPORTS = 1

    class Waits:
        done = False

        class outbox:  # noqa: N801
            taken = 0

        def turn(self) -> bytes:
            return b"x"

    first, second = events.stream(Waits()), events.stream(Waits())  # type: ignore[arg-type]
    assert await anext(first) == b"x"
    assert events.slots().locked()
    await first.aclose()  # type: ignore[attr-defined]
    assert await anext(second) == b"x"
    await second.aclose()  # type: ignore[attr-defined]


def test_a_file_is_let_go_when_nobody_reads_it() -> None:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    let_go(streamed(PartsOf(file), "text/plain", "x"))
    assert file.closed
