"""manage.py roles: the table of who may do what, as docs/roles.md has it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import translation

from vms.permissions import table_in_words


class Command(BaseCommand):
    """Print the table of vms/permissions.py in Markdown."""

    help = "Print who may do what in a lab, as a table in Markdown."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        with translation.override("en"):
            self.stdout.write(table())


def table() -> str:
    """Return the table in Markdown, a line for each right."""
    roles, rights = table_in_words()
    lines = [f"| | {' | '.join(roles)} |", f"|---|{':-:|' * len(roles)}"]
    for right, cells in rights:
        lines.append(f"| {right} | {' | '.join('✓' if may else '' for may in cells)} |")
    return "\n".join(" ".join(line.split()) for line in lines)
