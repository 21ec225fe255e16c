"""The table in which tries are counted: of codes and of logins."""

from typing import Any

from django.core.management import call_command
from django.db import migrations


def make_table(apps: Any, schema_editor: Any) -> None:
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [
        ("vms", "0008_what_is_over_when_handed_in"),
    ]

    operations = [
        migrations.RunPython(make_table, migrations.RunPython.noop),
    ]
