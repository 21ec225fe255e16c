"""`manage.py kinds`: one workload as VM, microVM and container, as one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vms import scenario_file
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.scenarios import templates
from vms.words import sentence

TICKS = 40_000


class Command(BaseCommand):
    """Run a scenario and compare its VMs: the template Container or VM?, or a file."""

    help = "Compare the VMs of a scenario: throughput, start, memory, density, overhead, isolation."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take FILE, --ticks and --csv."""
        parser.add_argument("file", nargs="?", metavar="FILE", help="a scenario: YAML or JSON")
        parser.add_argument("--ticks", type=int, default=TICKS, help=f"ticks to run ({TICKS:,})")
        parser.add_argument("--csv", action="store_true", help="as CSV, a row for each VM")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it, and print the table."""
        from vms.engine import kinds  # noqa: PLC0415  (wakes Numba)
        from vms.engine.machine import build  # noqa: PLC0415
        from vms.engine.tick import advance  # noqa: PLC0415

        try:
            text = Path(options["file"]).read_text(encoding="utf-8") if options["file"] else None
            data = scenario_file.parse(text) if text else templates()["container_or_vm"].data()
            machine = build(Scenario.parse(data))
        except (EngineError, OSError) as error:
            told = sentence(error) if isinstance(error, EngineError) else str(error)
            raise CommandError(told) from None
        while machine.now < options["ticks"] and not machine.ended and not machine.stalled:
            advance(machine, options["ticks"] - machine.now)
            machine.drain()
        rows = kinds.table(machine)
        self.stdout.write(kinds.as_csv(rows) if options["csv"] else "\n".join(kinds.lines(rows)))
