"""``manage.py compile_engine``: make the engine's machine code, once for each version of it."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _


class Command(BaseCommand):
    """Compile every kernel and policy, or load them from the disk where they are unchanged."""

    help = "Compiles the engine's kernels; nothing is done where they are up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        """Warm the engine, with one line of progress."""
        started = time.monotonic()
        from vms.engine.compiled.warm import warm  # noqa: PLC0415  (imports Numba: a second)

        warm(self._show)
        text = _("Engine ready in {seconds:.1f} s").format(seconds=time.monotonic() - started)
        self._line(f"{text}\n")

    def _show(self, done: int, total: int, name: str) -> None:
        """Write over the line on a terminal; elsewhere keep silent until the end."""
        if self.stdout.isatty():
            text = _("Compiling the engine: {done} of {total}, {name}")
            self._line(text.format(done=done, total=total, name=name))

    def _line(self, text: str) -> None:
        terminal = self.stdout.isatty()
        self.stdout.write(f"\r\x1b[K{text}" if terminal else text, ending="")
        self.stdout.flush()
