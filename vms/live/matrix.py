"""The isolation matrix, computed once in a thread of its own, and told as far as it is.

It is of the engine and of some settings of a host, not of a run: all labs with the same settings
share it, for as long as the process lives, which is as long as the engine is the same.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson

JSON = dict[str, Any]
MOST = 16
"""Matrices that are kept: the latest asked for."""

log = logging.getLogger(__name__)
_lock = threading.Lock()


@dataclass
class Work:
    """One matrix: what is known of it, and of how many rows it will be."""

    host: Mapping[str, Any] | None
    of: int = 0
    rows: list[JSON] = field(default_factory=list)
    failed: bool = False

    def told(self) -> JSON:
        """Return it as far as it is: `ready` when all rows are there; `failed` if it never will."""
        from vms.engine.isolation import KINDS  # noqa: PLC0415

        rows = list(self.rows)
        return {
            "ready": len(rows) == self.of > 0,
            "failed": self.failed,
            "done": len(rows),
            "of": self.of,
            "kinds": KINDS,
            "rows": rows,
        }


_works: OrderedDict[bytes, Work] = OrderedDict()


@functools.cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="matrix")


def told(host: Mapping[str, Any] | None = None) -> JSON:
    """Return the general matrix, or that under some settings (`isolation.of_host`), as it is now.

    Whoever asks first has it begun; from any thread, at once.
    """
    from vms.engine import isolation  # noqa: PLC0415  (wakes Numba)

    key = orjson.dumps(host, option=orjson.OPT_SORT_KEYS)
    with _lock:
        work = _works.get(key)
        if work is None or work.failed:
            trials = isolation.TRIALS if host is None else isolation.trials_under(host)
            work = _works[key] = Work(host, len(trials))
            _thread().submit(_do, work)
        _works.move_to_end(key)
        if len(_works) > MOST:
            _works.popitem(last=False)
    return work.told()


def harms() -> dict[str, str] | None:
    """Return what `kinds.harms` does, where the general matrix is there already; it begins none."""
    from vms.engine import kinds  # noqa: PLC0415

    with _lock:
        work = _works.get(orjson.dumps(None))
    if work is None or len(work.rows) < work.of:
        return None
    return kinds.harms_in(work.rows)


def _do(work: Work) -> None:
    """Make all trials of a matrix, row by row."""
    from vms.engine import isolation  # noqa: PLC0415

    trials = isolation.TRIALS if work.host is None else isolation.trials_under(work.host)
    try:
        for name, trial in trials.items():
            work.rows.append(isolation.row_of(name, trial))
    except Exception:
        log.exception("the isolation matrix under %s could not be computed", work.host)
        work.failed = True
