"""Rows that are added in place are those that copying would have kept."""

from __future__ import annotations

import numpy as np
import pytest

from vms.live.wire.blocks import Array
from vms.live.wire.tail import Tail

pytestmark = pytest.mark.interpreted


def rows(first: int, count: int, width: int = 1) -> dict[str, Array]:
    numbers = np.arange(first, first + count)
    return {"tick": numbers.astype("f8"), "share": np.tile(numbers[:, None], width).astype("f4")}


@pytest.mark.parametrize("size", [1, 7, 40, 100])
def test_the_last_rows_are_kept_however_many_come_at_once(size: int) -> None:
    tail, kept, all_rows = Tail(50), rows(0, 0), list[float]()
    for number in range(30):
        kept = tail.append(kept, rows(number * size, size))
        all_rows += [float(number * size + each) for each in range(size)]
        assert kept["tick"].tolist() == all_rows[-50:]
        assert kept["share"][:, 0].tolist() == all_rows[-50:]


def test_what_was_handed_out_stays_as_it_was() -> None:
    tail, kept, seen = Tail(20), rows(0, 0), []
    for number in range(100):
        kept = tail.append(kept, rows(number, 1))
        seen.append((kept["tick"], kept["tick"].tolist()))
    assert all(columns.tolist() == values for columns, values in seen[-20:])
    assert all(columns.tolist() == values for columns, values in seen[:20])


def test_wide_rows_are_as_wide_as_the_widest() -> None:
    tail = Tail(20)
    kept = tail.append(rows(0, 0), rows(0, 2))
    kept = tail.append(kept, rows(2, 1, width=3))
    assert kept["share"].tolist() == [[0, 0, 0], [1, 0, 0], [2, 2, 2]]
    kept = tail.append(kept, rows(3, 1, width=2))
    assert kept["share"][-1].tolist() == [3, 3, 0]


def test_rows_from_elsewhere_are_gone_on_from() -> None:
    tail = Tail(20)
    tail.append(rows(0, 0), rows(0, 5))
    assert tail.append(rows(100, 2), rows(102, 1))["tick"].tolist() == [100, 101, 102]
