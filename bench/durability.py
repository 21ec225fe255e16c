"""What it costs to lose nothing, and how long a look at any tick of a long run takes.

A child process has a database of its own and one lab alive, as the server has it.
"""

from __future__ import annotations

from bench import Line
from bench.child import figures


def run(quick: bool) -> list[Line]:
    """Measure in a child with a fresh database."""
    found = figures("durable_lab", quick)
    return [
        Line("seek to a random tick of a run, median", found["seek_median"], "s"),
        Line("seek to a random tick of a run, longest", found["seek_most"], "s", at_most=1),
        Line("ticks of that run", found["ticks"], "ticks"),
        Line("engine time of that run", found["seconds"], "s"),
        Line("checkpoints kept of that run", found["kept"], ""),
        Line("bytes of these checkpoints", found["bytes"] / 2**20, "MiB", at_most=64),
        Line("part of the time a machine is held for copies", found["held"] * 100, "%", at_most=3),
        Line("throughput lost to keeping", found["lost"] * 100, "%", at_most=3),
        Line("checkpoint of 1 M frames: machine held", found["freeze"] * 1e3, "ms"),
        Line(
            "checkpoint of 1 M frames: copied and packed, off the loop",
            found["pack"] * 1e3,
            "ms",
            at_most=150,
        ),
        Line("checkpoint of 1 M frames: written, in a thread", found["write"] * 1e3, "ms"),
        Line("event-loop lag while 1 M frames are kept, longest", found["lag"] * 1e3, "ms"),
        Line("command made safe (one transaction on the disk), median", found["safe"] * 1e3, "ms"),
        Line("the same without waiting for the disk, median", found["unsafe"] * 1e3, "ms"),
        Line("commands made safe when 64 labs ask at once", found["together"], "per s"),
    ]
