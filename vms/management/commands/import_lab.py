"""`manage.py import_lab FILE --owner NAME`: a lab from a lab's file."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from vms.engine.errors import EngineError
from vms.export.read import found_from
from vms.founding import TooManyLabsError
from vms.words import sentence


class Command(BaseCommand):
    """Make a lab of a file that `export_lab` or the lab's Export wrote."""

    help = "Makes a lab of a lab's file, plays its runs again and compares their event hashes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--owner", required=True, help="the account whose lab it becomes")
        parser.add_argument(
            "--seconds", type=float, help="how long to play; by default VMLAB_IMPORT_SECONDS"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        owner = get_user_model().objects.filter(username=options["owner"]).first()
        if owner is None:
            raise CommandError(_("there is no account {name}").format(name=options["owner"]))
        try:
            with open(options["file"], "rb") as file:
                lab, notices = found_from(file, owner, seconds=options["seconds"])
        except EngineError as error:
            raise CommandError(sentence(error)) from None
        except TooManyLabsError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from None
        for notice in notices:
            self.stderr.write(notice)
        self.stdout.write(f"{lab.pk} {lab.name}")
