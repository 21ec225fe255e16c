"""`manage.py clean_guests`: delete the labs of guests whose time is over."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import ngettext

from vms.guests import clean


class Command(BaseCommand):
    """Delete what guests left; the server does so itself whenever a guest comes."""

    help = "Delete the labs of guests whose time is over."

    def handle(self, *args: Any, **options: Any) -> None:
        gone = clean()
        self.stdout.write(
            ngettext("%(n)d guest lab deleted.", "%(n)d guest labs deleted.", gone) % {"n": gone}
        )
