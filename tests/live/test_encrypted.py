"""Nothing that anybody is shown depends on what the pages of an encrypted VM hold."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest

from tests.engine.running import built, run
from vms import eventlog
from vms.engine import kinds, metrics
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.overcommit import summary
from vms.engine.scenario import Scenario
from vms.engine.tables import MERGED
from vms.engine.tick import advance
from vms.live import curves
from vms.live.wire import blocks
from vms.live.wire.encode import Encoder, HeatEncoder, PagesEncoder
from vms.live.wire.figures import figures
from vms.live.wire.overcommit import overcommit
from vms.live.wire.picture import Picture
from vms.views.walk import walk_of

PAGES = 24
Raw = dict[str, Any]


def lab(secret: str, encrypted: bool = True) -> Raw:
    """Return a VM whose pages hold `secret` beside one whose pages hold `known`, with KSM."""
    steps: list[Raw] = [
        {"touch": {"pages": PAGES, "refs": PAGES}},
        {"touch": {"first": 16, "refs": 20, "refs_per_tick": 4, "write": 0.1}},
        {"sleep": 9},
    ]
    vms = [
        {
            "name": name,
            "pages": PAGES,
            "encrypted": name == "secret" and encrypted,
            "contents": [{"name": holds, "pages": PAGES}],
            "workload": {"repeat": "forever", "steps": steps},
        }
        for name, holds in (("secret", secret), ("open", "known"), ("other", "known"))
    ]
    host = {
        "pcpus": 2,
        "frames": 3 * PAGES - 4,
        "translation": {"tlb_entries": 16, "tlb_ways": 4},
        "overcommit": {"ksm_scan": 60, "ksm_every": 5, "sample_every": 20, "sample_pages": 8},
        "costs": {"ksm_page_ns": 0},
    }
    return {"name": "secrets", "host": host, "vms": vms}


def told(raw: Raw) -> dict[str, Any]:
    """Return all that is shown of a lab after some time, place by place."""
    machine = built(raw)
    encoder = Encoder(machine, Picture())
    logs = {suffix: io.BytesIO() for suffix in (".jsonl", ".csv", ".json")}
    writers = [eventlog.LOGS[suffix](file, machine) for suffix, file in logs.items()]
    for _ in range(12):
        advance(machine, 25)
        rows = machine.drain()
        encoder.collect(rows)
        for writer in writers:
            writer.take(machine, rows)
    for writer in writers:
        writer.end()
    sample = encoder.sample({"state": {"tick": machine.now}})
    assert sample is not None
    walks = [walk_of(machine, 0, page, None) for page in range(PAGES)]
    pages, heat = PagesEncoder(0).sample(machine), HeatEncoder().sample(machine)
    assert pages
    assert heat
    return {
        "machine": machine,
        "wire": [
            (each.table, {name: column.tobytes() for name, column in each.columns.items()})
            for each in blocks.read(sample.body)
        ],
        "documents": orjson.dumps([overcommit(machine), figures(machine)]),
        "memory map": pages.body + heat.body,
        "walk theatre": walks,
        "KSM panel": [summary.ksm(machine), summary.sharing(machine)],
        "who shares": summary.shared_contents(machine),
        "result and API": metrics.result(machine),
        "kinds": kinds.table(machine, with_matrix=False),
        "curves": curves.curves(*curves.strings(machine)),
        "exports": [file.getvalue() for file in logs.values()],
    }


def differ(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Return the places at which two labs show something else."""
    return {place for place in one if place != "machine" and one[place] != other[place]}


def test_no_place_shows_what_an_encrypted_vm_holds() -> None:
    """Its pages hold what its neighbours' do, or something else: nobody can tell which."""
    like, unlike = told(lab("known")), told(lab("something else"))
    assert differ(like, unlike) == set()
    machine = like["machine"]
    own = machine.state.pte[:PAGES]
    assert not (own & MERGED).any()
    assert (machine.state.pte[PAGES:] & MERGED).any()  # the neighbours' are merged
    shown = orjson.dumps(unlike["who shares"]) + unlike["documents"]
    assert b"something else" not in shown
    assert all(step["encrypted"] for each in like["walk theatre"] for step in guests(each))


def guests(walk: Any) -> list[Any]:
    """Return the steps of a walk that read a guest's last entry."""
    return [step for step in walk["steps"] if step["table"] == "guest" and step["leaf"]]


def test_the_same_change_is_seen_of_a_vm_that_is_not_encrypted() -> None:
    places = differ(told(lab("known", False)), told(lab("something else", False)))
    assert {"wire", "documents", "KSM panel", "who shares", "result and API", "exports"} <= places


def test_checkpoints_apart_no_table_that_travels_has_contents() -> None:
    """What a page holds is in tables that no block of a sample and no event has a column of."""
    columns = {column.name for table in blocks.TABLES.values() for column in table}
    assert not columns & {"shows", "holds", "stored", "class_of", "seen", "content"}


def test_shadow_tables_of_an_encrypted_vm_are_refused() -> None:
    raw = lab("known")
    raw["host"]["translation"] = {"mode": "shadow"}
    with pytest.raises(EngineError, match="must be nested, as the tables of secret, which is enc"):
        Scenario.parse(raw)
    machine = built(lab("known"))
    run(machine, 20)
    with pytest.raises(EngineError, match=r"keys\.mode must be nested"):
        parse({"type": "set_translation", "keys": {"mode": "shadow"}}).apply(machine)
