"""`manage.py empty_trash`: delete for good the labs that have lain in the trash long enough."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import ngettext

from vms import trash


class Command(BaseCommand):
    """Delete what was thrown away long ago; the server does so itself when it starts."""

    help = "Deletes for good the labs that have lain in the trash for VMLAB_TRASH_DAYS."

    def handle(self, *args: Any, **options: Any) -> None:
        gone = trash.empty()
        self.stdout.write(ngettext("%(n)d lab deleted.", "%(n)d labs deleted.", gone) % {"n": gone})
