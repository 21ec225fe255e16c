#!/usr/bin/env python
"""Run one of the project's commands: ``serve``, ``simulate``, ``migrate`` and more."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Hand the command line over to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmsite.settings")
    try:
        from django.core.management import execute_from_command_line  # noqa: PLC0415
    except ImportError as error:
        message = "Django is not installed here: run `make setup`, then .venv/bin/python manage.py"
        raise SystemExit(message) from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
