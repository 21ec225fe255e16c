"""Run the measurements: `python -m bench [--quick] [--write] [NAME …]`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import re
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from bench import BENCHES, Line, number

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin ({}) -->", "<!-- figures: end ({}) -->"


def main() -> int:
    """Run what was asked for; 1 where a bound was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--quick", action="store_true", help="small numbers: does it run at all")
    parser.add_argument("--write", action="store_true", help="put the figures into the document")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHES]
    if unknown:
        parser.error(f"NAME must be one of {', '.join(BENCHES)}, got {unknown[0]}")
    missed = False
    for name in given.names or BENCHES:
        if importlib.util.find_spec(f"bench.{name}") is None:
            print(f"{name}: SKIPPED, there is no bench/{name}.py", file=sys.stderr)
            continue
        lines = measured(name, given.quick)
        missed |= any(line.kept is False for line in lines)
        if given.write and lines:
            write(name, lines)
    return int(missed and not given.quick)


def measured(name: str, quick: bool) -> list[Line]:
    """Run one benchmark and print its figures."""
    print(f"{name}: {BENCHES[name]}", flush=True)
    start = time.perf_counter()
    lines: list[Line] = import_module(f"bench.{name}").run(quick)
    for line in lines:
        verdict = {True: "kept", False: "MISSED", None: ""}[line.kept]
        print(f"  {line.what:64} {number(line.value):>12} {line.unit:14} {line.bound:8} {verdict}")
    print(f"  {time.perf_counter() - start:.0f} s", flush=True)
    return lines


def write(name: str, lines: list[Line]) -> None:
    """Replace the figures of one benchmark in the document."""
    table = ["| what | figure | bound |", "|---|---:|---|"]
    table += [
        f"| {line.what} | {number(line.value)} {line.unit} | {line.bound} |" for line in lines
    ]
    begin, end = BEGIN.format(name), END.format(name)
    today = datetime.now(UTC).date().isoformat()
    text = DOCUMENT.read_text()
    block = "\n".join([begin, "", *table, "", f"{today}, {machine()}.", "", end])
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"{DOCUMENT} has no place for {name}: {begin} … {end}")
    DOCUMENT.write_text(pattern.sub(lambda _: block, text))


def machine() -> str:
    """Return what this machine is, in words."""
    file = Path("/proc/cpuinfo")
    found = re.findall(r"^model name\s*: (.*)$", file.read_text() if file.exists() else "", re.M)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = platform.release().split("-")[0]
    return (
        f"{os.cpu_count()} × {found[0] if found else platform.machine()}, {memory:.0f} GiB, "
        f"{platform.system()} {kernel}, Python {platform.python_version()}, "
        f"load average {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
