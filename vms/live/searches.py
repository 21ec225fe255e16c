"""Comparisons that are under way or done: one for each pair of runs, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from vms.engine.errors import EngineError
from vms.live.compare import asked_since, figures, first_difference
from vms.live.replay import Cancelled, Recording

log = logging.getLogger(__name__)

JSON = dict[str, Any]
Key = tuple[int, int, int | None]
"""The two runs, and the tick of the figures: None for the last that both have reached."""

MOST, MOST_RUNNING = 32, 8
RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
_threads = ThreadPoolExecutor(1, thread_name_prefix="compare")
_searches: OrderedDict[Key, Search] = OrderedDict()
_lock = threading.Lock()


@dataclass(eq=False)
class Search:
    """A comparison of two runs up to the tick `until`."""

    until: int
    done: float = 0.0
    status: str = RUNNING
    error: EngineError | None = None
    found: JSON = field(default_factory=dict)
    unwanted: threading.Event = field(default_factory=threading.Event)
    future: Future[None] | None = None

    def run(self, a: Recording, b: Recording, tick: int | None) -> None:
        """Look for the first difference (not where only figures of a tick are wanted)."""
        cancel = self.unwanted.is_set
        try:
            if tick is None:
                self.found |= self._difference(a, b)
            last = self.until if tick is None else tick
            self.found |= {"figures": figures(a, b, last, cancel)}
            self.done, self.status = 1.0, DONE
        except Cancelled:
            self.status = CANCELLED
        except EngineError as error:
            self.status, self.error = FAILED, error
        except Exception as error:
            log.exception("runs %s and %s could not be compared", a.run_id, b.run_id)
            self.status = FAILED
            self.error = EngineError("they could not be compared: {reason}", reason=error)

    def _difference(self, a: Recording, b: Recording) -> JSON:
        def note(part: float) -> None:
            self.done = round(0.95 * part, 3)

        common, difference = first_difference(a, b, self.until, note, self.unwanted.is_set)
        return {
            "common": {"tick": common.tick, "alike": common.alike},
            "difference": difference,
            "same_until": self.until if difference is None else difference["tick"],
            "commands": {
                "a": asked_since(a, common.tick, common.a),
                "b": asked_since(b, common.tick, common.b),
            },
        }

    def told(self) -> JSON:
        """Return how far it is, and what it found."""
        return {"status": self.status, "done": self.done, "until": self.until, **self.found}


def search(a: Recording, b: Recording, until: int, tick: int | None = None) -> Search:
    """Return the comparison of two runs, begun if there is none, or if they have gone on since.

    Raises EngineError where many are under way.
    """
    key = a.run_id, b.run_id, tick
    with _lock:
        there = _searches.get(key)
        if there is not None and not _stale(there, until):
            _searches.move_to_end(key)
            if there.status == CANCELLED:  # told once; the next one to ask begins anew
                del _searches[key]
            return there
        _check_room()
        begun = _searches[key] = Search(until)
        begun.future = _threads.submit(begun.run, a, b, tick)
        return begun


def _stale(there: Search, until: int) -> bool:
    """Tell whether a finished search may find more now; one that found something may not."""
    if there.status == FAILED:
        return True
    return there.status == DONE and until > there.until and not there.found.get("difference")


def _check_room() -> None:
    running = [each for each in _searches.values() if each.status == RUNNING]
    if len(running) >= MOST_RUNNING:
        raise EngineError(
            "{n} comparisons are under way, as many as may be: ask again in a moment",
            n=len(running),
        )
    for key in [key for key, each in _searches.items() if each.status != RUNNING]:
        if len(_searches) >= MOST:
            del _searches[key]


def cancel(a: int, b: int) -> None:
    """Stop comparing two runs (by their ids)."""
    with _lock:
        for key, each in _searches.items():
            if key[:2] == (a, b):
                each.unwanted.set()


def settle(search: Search, seconds: float) -> None:
    """Wait until a comparison has come to its end, at most so long."""
    if search.future is not None:
        wait([search.future], seconds)
