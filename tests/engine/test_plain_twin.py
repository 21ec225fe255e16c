"""The engine equals its slow plain twin, event by event, on random scenarios."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.engine.plain import Event, Host
from tests.engine.plain import result as plain_result
from tests.engine.running import built, comparable, engine_run, run, sizes
from tests.engine.strategies import scenarios
from vms.engine import laws

TICKS = 120
quiet = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
chunkings = st.lists(st.integers(0, 20), max_size=12)


def assert_twins(raw: dict[str, Any], ticks: int = TICKS) -> None:
    """Run a scenario in both and compare everything they say."""
    machine, events = engine_run(raw, ticks)
    twin = Host(raw)
    twin.run(ticks)
    for number, (ours, theirs) in enumerate(zip(events, twin.events, strict=False)):
        assert ours == theirs, f"event {number}"
    assert events == twin.events
    assert comparable(machine) == plain_result(twin)
    assert (machine.ended, machine.stalled) == (twin.ended, twin.stalled)
    assert stamps(machine) == [dict(v.disk.stamps) if v.disk else {} for v in twin.vdevices]
    assert laws_broken(machine) == []


def stamps(machine: Any) -> list[dict[int, int]]:
    """Return which write made each cluster of each virtual device's disk."""
    from vms.engine.storage import layers

    tops = machine.state.vdevice["top"][: len(machine.vdevice_names)].tolist()
    views = [layers.view(machine, top).tolist() if top >= 0 else [] for top in tops]
    return [{c: stamp for c, stamp in enumerate(view) if stamp} for view in views]


def laws_broken(machine: Any) -> list[str]:
    return [name for name, holds in laws.check(machine).items() if not holds]


@given(scenarios(memory=False, devices=True, twin=True))
@settings(quiet, max_examples=150)
def test_processors_and_devices_as_in_the_plain_twin(raw: dict[str, Any]) -> None:
    assert_twins(raw)


@given(scenarios(memory=True, devices=False, twin=True))
@settings(quiet, max_examples=150)
def test_memory_as_in_the_plain_twin(raw: dict[str, Any]) -> None:
    assert_twins(raw)


@given(scenarios(twin=True))
@settings(quiet, max_examples=200)
def test_everything_together_as_in_the_plain_twin(raw: dict[str, Any]) -> None:
    assert_twins(raw)


@pytest.mark.interpreted
@given(scenarios(twin=True))
@settings(quiet, max_examples=40)
def test_small_runs_as_in_the_plain_twin(raw: dict[str, Any]) -> None:
    assert_twins(raw, 30)


@pytest.mark.interpreted
@given(scenarios(), chunkings)
@settings(quiet, max_examples=60)
def test_chunks_change_nothing(raw: dict[str, Any], chunks: list[int]) -> None:
    whole, events = engine_run(raw, 60)
    pieces, in_pieces = engine_run(raw, 60, chunks)
    assert in_pieces == events
    assert pieces.event_hash == whole.event_hash
    assert comparable(pieces) == comparable(whole)


@given(scenarios())
@settings(quiet, max_examples=60)
def test_single_steps_change_nothing(raw: dict[str, Any]) -> None:
    whole, events = engine_run(raw, 80)
    single, one_by_one = engine_run(raw, 80, [1] * 80)
    assert one_by_one == events
    assert comparable(single) == comparable(whole)


@given(scenarios())
@settings(quiet, max_examples=200)
def test_looking_at_every_tick_changes_nothing(raw: dict[str, Any]) -> None:
    """The event-driven engine equals itself when it may skip no tick (host.cap = 1)."""
    whole, events = engine_run(raw, TICKS)
    assert laws_broken(whole) == []
    stepped = built(raw)
    stepped.state.host["cap"] = 1
    seen: list[Event] = []
    run(stepped, TICKS, seen)
    assert seen == events
    assert comparable(stepped) == comparable(whole)


@given(scenarios(twin=True), st.integers(0, TICKS), chunkings)
@settings(quiet, max_examples=60)
def test_the_twins_agree_beyond_the_end(raw: dict[str, Any], extra: int, chunks: list[int]) -> None:
    from vms.engine.tick import advance

    machine, _ = engine_run(raw, TICKS)
    twin = Host(raw)
    twin.run(TICKS)
    note(f"ended {machine.ended}")
    if not machine.ended:
        return
    for chunk in sizes(chunks, extra):
        assert advance(machine, chunk, past_end=True) == twin.run(chunk, past_end=True)
    assert comparable(machine) == plain_result(twin)


def touching(refs: int, pages: int, **more: Any) -> dict[str, Any]:
    pattern = {"pattern": "sequential", "pages": pages, "refs": refs, "write": 0}
    return {"touch": pattern | {"refs_per_tick": 1} | more}


@pytest.mark.interpreted
@pytest.mark.parametrize("policy", ["mru", "s3fifo"])
def test_a_page_that_was_refused_a_frame_is_a_free_one_to_its_guest(policy: str) -> None:
    """It left the balloon, and nothing is in it: it goes back first."""
    steps = [touching(9, 2), {"compute": 9}, touching(13, 4)]
    keys = {"oom": "refuse", "ksm_scan": 1, "ksm_every": 1}
    keys |= {"balloon_auto": True, "balloon_every": 1, "balloon_pages": 1}
    keys |= {"idle_tax": 0, "free_percent": 0}
    idle = {"name": "b", "pages": 12, "balloon": 11, "workload": {"steps": [{"compute": 1}]}}
    raw: dict[str, Any] = {
        "name": "refused",
        "tick_us": 1,
        "host": {
            "frames": 2,
            "swap": None,
            "costs": "none",
            "overcommit": keys,
            "scheduler": {"policy": "fcfs"},
            "replacement": {"policy": policy},
        },
        "vms": [{"name": "a", "pages": 12, "workload": {"repeat": 2, "steps": steps}}, idle],
    }
    assert_twins(raw)


@pytest.mark.interpreted
@pytest.mark.parametrize("policy", ["mru", "s3fifo"])
def test_what_a_guest_frees_in_its_swap_is_the_image_again(policy: str) -> None:
    """It had a copy of its own before, which nobody misses."""
    steps = [
        {"free": {"first": 0, "pages": 1}},
        touching(8, 6, pattern="zipf", alpha=0.0, write=0.3),
    ]
    vm = {"name": "a", "pages": 12, "balloon": 7, "image": {"name": "x", "pages": 1}}
    idle = {"name": "b", "pages": 12, "template": True, "workload": {"steps": [{"compute": 1}]}}
    raw: dict[str, Any] = {
        "name": "freed",
        "seed": 1,
        "tick_us": 1,
        "host": {
            "frames": 1,
            "costs": "none",
            "overcommit": {"balloon_every": 1, "balloon_pages": 1},
            "scheduler": {"policy": "round_robin", "time_slice": 1},
            "replacement": {"policy": policy},
        },
        "vms": [idle, vm | {"workload": {"repeat": 2, "steps": steps}}],
    }
    assert_twins(raw)
