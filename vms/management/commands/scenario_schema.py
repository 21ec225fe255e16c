"""`manage.py scenario_schema`: the JSON Schema of scenario files."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from vms.engine.scenario import Scenario


class Command(BaseCommand):
    """Print the schema that every scenario is held against."""

    help = "Prints the JSON Schema of scenario files."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it, with a unit (`x-unit`) at every quantity and a source at every cost."""
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        schema |= Scenario.model_json_schema()
        self.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False))
