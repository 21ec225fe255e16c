"""The compiled room: one pointer, checked rows, a cache that notices every edit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.engine.running import built, run
from vms.engine import compiled
from vms.engine.state import State
from vms.engine.tables import LAYOUT

SCENARIO = {
    "name": "one",
    "vms": [{"name": "a", "workload": {"repeat": "forever", "steps": [{"compute": 5}]}}],
}
needs_numba = pytest.mark.skipif(compiled.INTERPRETED, reason="nothing is compiled")


@needs_numba
def test_a_row_that_does_not_exist_is_raised_after_the_step_and_ends_no_process() -> None:
    machine = built(SCENARIO)
    run(machine, 3)
    machine.state.pcpu["vcpu"][0] = 10**9
    machine.state.pcpu["attn"][0] = machine.now
    with pytest.raises(IndexError, match="no such row in table 'vcpu'"):
        run(machine, 5)


@needs_numba
def test_a_negative_row_is_refused_as_well() -> None:
    machine = built(SCENARIO)
    machine.state.vcpu["step"][0] = -7
    machine.state.sleepers[0] = -3
    with pytest.raises(IndexError, match="no such row"):
        run(machine, 5)


@needs_numba
def test_the_mark_of_a_wrong_row_is_cleared_when_it_was_raised() -> None:
    machine = built(SCENARIO)
    machine.state.pairs[-1, 0] = 1
    with pytest.raises(IndexError, match="'host'"):
        machine.state.check()
    machine.state.check()


def test_a_table_of_another_kind_is_no_part_of_a_state() -> None:
    arrays = built(SCENARIO).state.arrays()
    for wrong in (np.zeros(4, np.float64), arrays["pte"][::2], arrays["pte"][:0]):
        with pytest.raises(ValueError, match="table pte"):
            State(**{**arrays, "pte": wrong})


def test_a_copy_shares_nothing_with_its_original() -> None:
    state = built(SCENARIO).state
    copy = state.copy()
    for name in LAYOUT:
        assert not np.shares_memory(getattr(state, name), getattr(copy, name))


def test_the_cache_folder_changes_with_any_source_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schedulers").mkdir()
    policy = tmp_path / "schedulers" / "round_robin.py"
    policy.write_text("def pick(s, p):\n    return 0\n")
    monkeypatch.setattr(compiled, "ENGINE", tmp_path)
    before = compiled.sources_digest()
    assert compiled.sources_digest() == before
    policy.write_text("def pick(s, p):\n    return 1\n")
    assert compiled.sources_digest() != before


@needs_numba
def test_kernels_of_other_sources_are_forgotten_and_todays_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMLAB_KERNELS", str(tmp_path))
    monkeypatch.setattr(compiled, "CACHE", tmp_path / "today")
    for name in ("today", "yesterday"):
        (tmp_path / name).mkdir()
    compiled.forget_old_kernels()
    assert [path.name for path in tmp_path.iterdir()] == ["today"]
