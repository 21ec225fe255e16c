"""``manage.py runserver``: the development server, on the same Daphne as ``serve``."""

from __future__ import annotations

from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand
from daphne.management.commands.runserver import get_default_application

from vms.serving.server import LabServer


class Command(DaphneCommand):  # type: ignore[misc]
    """Serve and start again when a file changes."""

    server_cls = LabServer

    def get_application(self, options: dict[str, Any]) -> Any:
        """Return the application as it is: it serves static files itself."""
        return get_default_application()
