"""`manage.py isolation`: what an attacker can do, tried out."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    """Print the isolation matrix: every means, by a VM, a microVM and a container, really tried."""

    help = "Try every attack by a VM, a microVM and a container, and print what came of it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --json."""
        parser.add_argument("--json", action="store_true", help="one JSON array")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        from vms.engine import isolation  # noqa: PLC0415  (wakes Numba)

        rows = isolation.matrix()
        if options["json"]:
            self.stdout.write(json.dumps(rows))
            return
        for line in isolation.lines(rows):
            self.stdout.write(line)
