"""`manage.py simulate FILE`: a scenario run to its end, without server or database."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from vms import scenario_file
from vms.engine import ostep
from vms.engine.errors import EngineError, shown
from vms.engine.scenario import Scenario, scenario_with
from vms.engine.scenario.limits import FAR
from vms.eventlog import EventLog, check_name, open_log
from vms.words import sentence

if TYPE_CHECKING:
    from vms.engine.explain import Decision
    from vms.engine.machine import Machine

FIRST_CHUNK = 1_024
REFRESH_S = 0.1


class Command(BaseCommand):
    """Run one scenario and say what it amounted to."""

    help = "Runs a scenario file for N ticks, or until every workload has ended."
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return Django's parser with one-line refusals."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        if getattr(self, "_called_from_command_line", False):
            parser.error = _refuse  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments; their values are checked by the scenario's own sentences."""
        parser.add_argument("file", nargs="?", metavar="FILE", help="a scenario: YAML or JSON")
        parser.add_argument("--ticks", metavar="N", help="stop after N ticks")
        parser.add_argument("--json", action="store_true", help="print the result as one object")
        parser.add_argument(
            "--events",
            metavar="FILE",
            help="write the events: .jsonl, .csv, .parquet, .perfetto-trace or .json",
        )
        parser.add_argument(
            "--set",
            metavar="PATH=VALUE",
            nargs="+",
            action="extend",
            default=[],
            dest="changes",
            help="change the scenario, like host.scheduler.policy=stride or vms.web.weight=512",
        )
        parser.add_argument(
            "--explain", metavar="TICK", help="why each pCPU runs whom in tick TICK, and stop there"
        )
        parser.add_argument("--seed", metavar="N", help="the seed, instead of the file's")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run; a bad scenario is one sentence on stderr and exit status 2."""
        try:
            self._simulate(options)
        except EngineError as error:
            _refuse(sentence(error))
        except KeyboardInterrupt:
            sys.exit(130)

    def _simulate(self, options: dict[str, Any]) -> None:
        path, changes = _file_and_changes(options["file"], options["changes"])
        scenario = _scenario(path, changes, options["seed"])
        ticks = _ticks(options["ticks"])
        if options["explain"] is not None:
            self._explain(scenario, path, _tick(options["explain"]), options["json"])
            return
        if ticks is None and not scenario.ends:
            raise EngineError("the scenario never ends: --ticks N must say when to stop")
        events = _events(options["events"], path)
        say(_("Loading the engine …"))
        try:
            outcome = outcome_of(scenario, path, ticks, events)
        finally:
            say("")
        if options["json"]:
            self.stdout.write(json.dumps(outcome))
        else:
            self.stdout.write("\n".join([report(outcome), *at_home(scenario)]))

    def _explain(self, scenario: Scenario, path: Path, tick: int, as_json: bool) -> None:
        from vms.engine.explain import explain  # noqa: PLC0415  (imports Numba: a second)
        from vms.engine.machine import build  # noqa: PLC0415

        machine = build(scenario, _beside(path))
        if tick:
            run(machine, tick)
        decisions = [explain(machine, pcpu) for pcpu in range(scenario.host.pcpus)]
        say("")
        if as_json:
            self.stdout.write(json.dumps([decision.as_dict() for decision in decisions]))
        else:
            self.stdout.write("\n\n".join(map(reasons, decisions)))


def outcome_of(
    scenario: Scenario, path: Path, ticks: int | None, events: Path | None
) -> dict[str, Any]:
    """Run a scenario whose page traces are beside `path`; return the result object."""
    # NumPy and Numba take a second to load; a refusal need not wait for them.
    from vms.engine.machine import build  # noqa: PLC0415
    from vms.engine.metrics import result  # noqa: PLC0415

    machine = build(scenario, _beside(path))
    log = open_log(events, machine) if events else None
    try:
        run(machine, ticks, log)
    finally:
        if log:
            log.close()
    return result(machine)


def _refuse(message: str) -> NoReturn:
    """Say one line on stderr and end with status 2."""
    sys.stderr.write(message.replace("\n", " ")[:400] + "\n")
    sys.exit(2)


def _file_and_changes(file: str | None, changes: Sequence[str]) -> tuple[Path, list[str]]:
    """Return FILE and the changes; `--set a=1 FILE` has FILE among the changes."""
    given = list(changes)
    if file is None and given and "=" not in given[-1]:
        file = given.pop()
    if file is None:
        raise EngineError("simulate needs a scenario: simulate FILE")
    return Path(file), given


def _scenario(path: Path, changes: Sequence[str], seed: str | int | None) -> Scenario:
    data = scenario_file.read(path)
    for change in changes:
        data = _changed(data, change)
    if seed is not None:
        data["seed"] = scenario_file.value(str(seed))
    return Scenario.parse(data)


def _changed(data: dict[str, Any], change: str) -> dict[str, Any]:
    path, equals, text = change.partition("=")
    if not equals:
        raise EngineError("--set must be PATH=VALUE, got {given}", given=change)
    return scenario_with(data, path.strip(), scenario_file.value(text))


def _ticks(text: str | int | None) -> int | None:
    value = scenario_file.value(str(text)) if text is not None else None
    if value is not None and (type(value) is not int or not 1 <= value <= FAR):
        raise EngineError(
            "--ticks must be 1..{high} ticks, got {given}", high=FAR, given=shown(value)
        )
    return value


def _tick(text: str | int) -> int:
    value = scenario_file.value(str(text))
    if type(value) is not int or not 0 <= value <= FAR:
        raise EngineError(
            "--explain must be 0..{high}, a tick, got {given}", high=FAR, given=shown(value)
        )
    return value


def _events(name: str | None, scenario: Path) -> Path | None:
    if name is None:
        return None
    path = Path(name)
    check_name(path)
    if path.exists() and path.samefile(scenario):
        raise EngineError(
            "--events must be another file than the scenario, got {given}", given=name
        )
    return path


def _beside(scenario: Path) -> Any:
    """Return the reader of page traces: files in the scenario's own folder."""

    def content(name: str) -> bytes:
        return (scenario.parent / name).read_bytes()

    return content


def run(machine: Machine, ticks: int | None, log: EventLog | None = None) -> None:
    """Advance to tick `ticks`, or to the end; events go to `log`."""
    from vms.engine.tick import advance  # noqa: PLC0415  (imports Numba: a second)

    bar = Bar(ticks)
    chunk = FIRST_CHUNK
    if log:
        log.take(machine, machine.drain())
    while not machine.stalled and (machine.now < ticks if ticks else not machine.ended):
        started = time.monotonic()
        left = ticks - machine.now if ticks else chunk
        room = log.sample_at - machine.now if log else chunk
        advance(machine, min(chunk, left, room), past_end=ticks is not None)
        rows = machine.drain()
        if log:
            log.take(machine, rows)
        if time.monotonic() - started < REFRESH_S / 2:
            chunk *= 2
        bar.show(machine.now)
    if log:
        log.take(machine, machine.drain())


def say(text: str) -> None:
    """Write over the line of progress on a terminal; elsewhere keep silent."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


class Bar:
    """A progress bar on a terminal; nothing elsewhere."""

    WIDTH = 40

    def __init__(self, ticks: int | None) -> None:
        self.ticks = ticks
        self.shown_at = time.monotonic()

    def show(self, now: int) -> None:
        """Draw the bar, ten times a second at most."""
        if time.monotonic() - self.shown_at < REFRESH_S:
            return
        self.shown_at = time.monotonic()
        text = _("tick {now}").format(now=f"{now:,}")
        if self.ticks:
            done = self.WIDTH * now // self.ticks
            text = f"[{'#' * done}{'.' * (self.WIDTH - done)}] {text}"
        say(text)


def reasons(decision: Decision) -> str:
    """Return a decision of a pCPU for reading: who, of whom, by which keys and which rule."""
    words = {"tick": decision.tick, "pcpu": decision.pcpu, "vcpu": decision.picked}
    if decision.kept:
        head = _("tick {tick}, pCPU {pcpu}: {vcpu} goes on").format(**words)
    elif decision.picked is None:
        head = _("tick {tick}, pCPU {pcpu}: idle").format(**words)
    else:
        head = _("tick {tick}, pCPU {pcpu}: picks {vcpu}").format(**words)
    lines = [head, _("{policy}: {rule}").format(policy=decision.policy, rule=_(decision.rule))]
    if decision.preempted:
        lines.append(_("it takes the pCPU of {vcpu}").format(vcpu=decision.preempted))
    if decision.tie:
        lines.append(_(decision.tie))
    if decision.candidates:
        titles = list(decision.candidates[0].keys)
        rows = [[_("waiting"), *map(_, titles), ""]]
        rows += [
            [c.vcpu, *(f"{c.keys[title]:,}" for title in titles), "" if c.allowed else _("may not")]
            for c in decision.candidates
        ]
        lines += aligned(rows)
    return "\n".join(lines)


def at_home(scenario: Scenario) -> list[str]:
    """Return the command of OSTEP's programs that does the same, where there is one."""
    command = ostep.command(scenario)
    return ["", _("To check at home with OSTEP's programs:"), command] if command else []


KEYS = ("response", "turnaround", "run", "runnable", "blocked", "minor_faults", "major_faults")


def report(outcome: dict[str, Any]) -> str:
    """Return a result as a table for reading; `--json` has all of it."""
    host = outcome["host"]
    lines = [
        _("{name}: {ticks} ticks, seed {seed}, event hash {event_hash}").format(**outcome),
        _(
            "host: {pcpus} pCPUs, utilisation {utilisation:.1%}, {switches} switches,"
            " {evictions} evictions"
        ).format(**host, **host["replacement"]),
        "",
    ]
    rows = [
        [
            _("VM"),
            _("response"),
            _("turnaround"),
            _("run"),
            _("steal"),
            _("blocked"),
            _("minor faults"),
            _("major faults"),
        ]
    ]
    rows += [[vm["name"], *map(_number, (vm[key] for key in KEYS))] for vm in outcome["vms"]]
    lines += aligned(rows)
    if outcome["devices"]:
        rows = [[_("device"), _("requests"), _("utilisation"), _("mean queue"), _("p99 µs")]]
        rows += [_device(device) for device in outcome["devices"]]
        lines += ["", *aligned(rows)]
    broken = [name for name, holds in outcome["laws"].items() if not holds]
    laws = _("all laws hold") if not broken else _("BROKEN: {laws}").format(laws=", ".join(broken))
    return "\n".join([*lines, "", laws])


def _device(device: dict[str, Any]) -> list[str]:
    load, queue = f"{device['utilisation']:.1%}", f"{device['mean_queue']:.2f}"
    return [device["name"], _number(device["requests"]), load, queue, _number(device["p99_us"])]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def aligned(rows: list[list[str]]) -> list[str]:
    """Return rows as lines: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
