"""`manage.py seed_demo`: the open demo lab, which everybody may watch and nobody steers."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from vms.founding import found
from vms.models import Lab
from vms.scenarios import KEYS

OPEN_LAB = "noisy_neighbour"


class Command(BaseCommand):
    """Make the open demo lab once; a second call changes nothing."""

    help = "Make the demo lab that everybody may watch, unless it is there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--template", choices=KEYS, default=OPEN_LAB)

    def handle(self, *args: Any, **options: Any) -> None:
        template = options["template"]
        demos = Lab.objects.filter(public=True, owner=None, deleted=None)
        if demos.filter(template=template).exists():
            self.stdout.write(_("The open demo lab is there."))
            return
        lab = found(template=template, public=True, plays=True)
        self.stdout.write(_("Made the open demo lab: %(name)s.") % {"name": lab.name})
