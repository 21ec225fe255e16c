"""`manage.py export_lab LAB FILE`: a lab as one file."""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from vms.engine.errors import EngineError
from vms.export.write import write
from vms.models import Lab
from vms.words import sentence


class Command(BaseCommand):
    """Write a lab, with its runs, journals, notes and trace files, to one file."""

    help = "Writes a lab (by its identity or name) as one file; - is standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("lab", help="identity (UUID) or name")
        parser.add_argument("file", help="where to; - for standard output")
        parser.add_argument("--checkpoints", action="store_true", help="with its checkpoints")

    def handle(self, *args: Any, **options: Any) -> None:
        lab = _lab(options["lab"])
        try:
            if options["file"] == "-":
                write(lab, sys.stdout.buffer, options["checkpoints"])
            else:
                with open(options["file"], "wb") as file:
                    write(lab, file, options["checkpoints"])
        except EngineError as error:
            raise CommandError(sentence(error)) from None
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from None


def _lab(given: str) -> Lab:
    """Return the lab of this identity, or the only one of this name."""
    labs = Lab.objects.filter(deleted=None)
    try:
        found = list(labs.filter(pk=given))
    except ValidationError:
        found = list(labs.filter(name=given)[:2])
    if len(found) == 1:
        return found[0]
    said = _("several labs are called {given}: say the identity") if found else None
    raise CommandError((said or _("there is no lab {given}")).format(given=given))
