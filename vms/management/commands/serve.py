"""``manage.py serve``: pages, sockets and running machines in one process."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from vms import trash
from vms.serving.server import LabServer


class Command(BaseCommand):
    """Serve the lab until SIGTERM or Ctrl-C."""

    help = "Serves the lab: pages, sockets and running machines in one process."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address, and whether to prepare first."""
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT, help="0: any free port")
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="first migrate, seed the demo lab and compile the engine",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare if asked, then serve."""
        if options["prepare"]:
            self._prepare()
        with suppress(DatabaseError):  # a database that is not prepared yet has none
            trash.empty()
        server: LabServer = LabServer(
            application=import_string(settings.ASGI_APPLICATION),
            endpoints=build_endpoint_description_strings(
                host=options["host"], port=options["port"]
            ),
            ready_callable=lambda: self._announce(server, options["host"]),
            proxy_forwarded_address_header="X-Forwarded-For" if settings.PROXIES else None,
            proxy_forwarded_proto_header="X-Forwarded-Proto" if settings.PROXIES else None,
        )
        server.run()
        if server.failure:
            raise CommandError(server.failure)

    def _prepare(self) -> None:
        """Bring database, demo lab and machine code up to date, all in this process."""
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write(_("Preparing the database …"))
            call_command("migrate", verbosity=0)
        call_command("seed_demo", stdout=self.stdout, stderr=self.stderr)
        call_command("compile_engine", stdout=self.stdout, stderr=self.stderr)

    def _announce(self, server: LabServer, host: str) -> None:
        """Print the address; where others may come in too, say under which names."""
        everywhere = host in {"0.0.0.0", "::"}
        shown = "127.0.0.1" if everywhere else f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{server.listening_addresses[0][1]}/"
        self.stdout.write(_("VM Lab is at {address} (Ctrl-C stops it)").format(address=address))
        if everywhere:
            names = ", ".join(settings.ALLOWED_HOSTS)
            text = _("Other machines reach it under the names in ALLOWED_HOSTS only: {names}")
            self.stdout.write(text.format(names=names))
        self.stdout.flush()
