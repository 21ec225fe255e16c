"""manage.py verify_audit: whether the audit's chain is whole. Exit status 1 where it is not."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vms.audit import verify
from vms.models import AuditHead

MOST = 20
"""Faults that are told; where there are more, that is said."""


class Command(BaseCommand):
    """Look at every entry of the audit."""

    help = (
        "Check that no entry of the audit was removed, altered or inserted, and that its end was "
        "not cut off. Prints the number and digest at its end: note them elsewhere, and give them "
        "back with --expect, and not even a whole older database can be put in its place unseen."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what was noted of the chain before."""
        parser.add_argument(
            "--expect", metavar="NUMBER:DIGEST", action="append", default=[], help="noted before"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what is wrong, or where the chain ends."""
        found = list(islice(verify.problems(), MOST + 1))
        for noted in options["expect"]:
            number, colon, digest = noted.partition(":")
            if not (number.isascii() and number.isdigit() and colon and len(digest) == 64):
                raise CommandError(f"--expect must be NUMBER:DIGEST, got {noted!r}")
            problem = verify.expected(int(number), digest)
            found += [problem] if problem else []
        for problem in found[:MOST]:
            self.stderr.write(self.style.ERROR(problem))
        if len(found) > MOST:
            self.stderr.write(self.style.ERROR("There are more faults than these."))
        if found:
            sys.exit(1)
        head = AuditHead.objects.first()
        if head is None:
            self.stdout.write("The audit has no entries yet.")
        else:
            self.stdout.write(f"{head.number} entries, none missing, altered or inserted.")
            self.stdout.write(f"{head.number}:{head.digest}")
