"""Print the event hash of each scenario of a JSON list on standard input: [[scenario, ticks] …].

Started with NUMBA_DISABLE_JIT=1 by tests that compare the two ways of running the engine.
"""

import json
import sys

from tests.engine.running import engine_run
from vms.engine import metrics


def main() -> None:
    """Answer with a JSON list of [hash, result]."""
    answers = []
    for raw, ticks in json.load(sys.stdin):
        machine, _ = engine_run(raw, ticks)
        answers.append([machine.event_hash, metrics.result(machine)])
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
