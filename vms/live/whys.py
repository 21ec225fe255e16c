"""Why was it picked? Decisions of the past, each explained on a machine that is played up to it.

Nothing is kept while a machine runs. One thread answers, question after question, and what was
answered is remembered; the newest question of a visitor makes the one before useless.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vms.engine.errors import EngineError
from vms.live.replay import Cancelled, Recording, reach

if TYPE_CHECKING:
    from vms.engine.explain import Decision

log = logging.getLogger(__name__)

Key = tuple[int, int, int, int]
"""The run, its last journal entry up to then, the tick, the pCPU."""

MOST, MOST_WAITING = 512, 64
RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
_threads = ThreadPoolExecutor(1, thread_name_prefix="why")
_questions: OrderedDict[Key, Question] = OrderedDict()
_asked: dict[str, Key] = {}
_lock = threading.Lock()


@dataclass(eq=False)
class Question:
    """What pCPU `pcpu` decided at `tick`, and how far the replay to it is."""

    tick: int
    pcpu: int
    done: float = 0.0
    status: str = RUNNING
    error: EngineError | None = None
    decision: Decision | None = None
    askers: set[str] = field(default_factory=set)
    unwanted: threading.Event = field(default_factory=threading.Event)
    future: Future[None] | None = None

    def run(self, recording: Recording) -> None:
        """Play the run up to the decision, and ask the policy there."""
        from vms.engine.explain import explain  # noqa: PLC0415  (compiles at its first use)

        def note(done: int, whole: int) -> None:
            self.done = round(0.95 * done / max(1, whole), 3)

        try:
            reached = reach(recording, self.tick, progress=note, cancelled=self.unwanted.is_set)
            _check_pcpu(self.pcpu, int(reached.machine.state.host[0].pcpus))
            self.decision = explain(reached.machine, self.pcpu)
            self.done, self.status = 1.0, DONE
        except Cancelled:
            self.status = CANCELLED
        except EngineError as error:
            self.status, self.error = FAILED, error
        except Exception as error:
            log.exception("run %s: tick %s could not be explained", recording.run_id, self.tick)
            self.status = FAILED
            self.error = EngineError("this tick could not be explained: {reason}", reason=error)


def _check_pcpu(pcpu: int, pcpus: int) -> None:
    if not 0 <= pcpu < pcpus:
        raise EngineError(
            "{field} must be 0..{high}, got {given}", "pcpu", high=pcpus - 1, given=pcpu
        )


def ask(recording: Recording, tick: int, pcpu: int, asker: str) -> Question:
    """Return the question why `pcpu` did what it did at `tick`, begun if nobody asked before.

    Raises EngineError where the run has no such tick or pCPU, or where many questions wait.
    """
    if not 0 <= tick <= recording.tick:
        raise EngineError(
            "{field} must be 0..{high}, got {given}", "tick", high=recording.tick, given=tick
        )
    key = recording.run_id, _last(recording, tick), tick, pcpu
    with _lock:
        _withdraw(asker, key)
        there = _questions.get(key)
        if there is not None and there.status not in {CANCELLED, FAILED}:
            _questions.move_to_end(key)
            there.askers.add(asker)
            return there
        _make_room()
        begun = _questions[key] = Question(tick, pcpu, askers={asker})
        begun.future = _threads.submit(begun.run, recording)
        return begun


def _last(recording: Recording, tick: int) -> int:
    """Return the last journal entry before a decision: one more may still come at the last tick."""
    found = (entry["sequence"] for entry in recording.entries if entry["tick"] <= tick)
    return max(found, default=0)


def _withdraw(asker: str, key: Key) -> None:
    """Let the question before go, unless somebody else waits for it, too."""
    before = _asked.get(asker)
    _asked[asker] = key
    if before is None or before == key or before not in _questions:
        return
    question = _questions[before]
    question.askers.discard(asker)
    if question.status == RUNNING and not question.askers:
        question.unwanted.set()
        question.status = CANCELLED


def _make_room() -> None:
    waiting = [each for each in _questions.values() if each.status == RUNNING]
    if len(waiting) >= MOST_WAITING:
        raise EngineError(
            "{n} questions wait for their answer, as many as may be: ask again in a moment",
            n=len(waiting),
        )
    for key in [key for key, each in _questions.items() if each.status != RUNNING]:
        if len(_questions) >= MOST:
            del _questions[key]
    for asker in list(_asked)[: max(0, len(_asked) - MOST)]:
        del _asked[asker]


def settle(question: Question, seconds: float) -> None:
    """Wait until a question is answered, at most so long."""
    if question.future is not None:
        wait([question.future], seconds)
