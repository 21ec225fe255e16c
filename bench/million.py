"""A million frames: what showing them costs, and writing them to rows when a lab is paused.

Samples are made and published as the server does, twenty a second, of a machine flat out: between
two of them the engine has what is left of 50 ms.  The pages at rest are the worst there can be: a
run of one page for each frame, in a database of its own, of a child process.
"""

from __future__ import annotations

from bench import Line
from bench.child import figures


def run(quick: bool) -> list[Line]:
    """Measure in a child with a fresh database."""
    found = figures("million_lab", quick)
    return [
        Line("frames, all in use", found["frames"], ""),
        Line("ticks between two samples", found["ticks"], ""),
        Line("bytes of a sample", found["bytes"], "bytes"),
        Line("a sample made, processor time", found["made"] * 1e3, "ms"),
        Line("a sample published, processor time", found["published"] * 1e3, "ms"),
        Line("both, twenty a second, of one core", found["share"] * 100, "%", at_most=30),
        Line("pages at rest: rows written", found["rows"], ""),
        Line("pages at rest: written in one transaction", found["written"], "s", at_most=5),
        Line("pages at rest: the same in place of those there", found["again"], "s", at_most=5),
    ]
