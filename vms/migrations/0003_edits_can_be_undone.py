from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("vms", "0002_time_runs_both_ways"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="tracefile",
            options={
                "ordering": ("name", "pk"),
                "verbose_name": "trace file",
                "verbose_name_plural": "trace files",
            },
        ),
        migrations.RemoveConstraint(
            model_name="tracefile",
            name="file_once",
        ),
        migrations.AddField(
            model_name="revision",
            name="base",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="The revision that was edited; undo goes back to it.",
                null=True,
                verbose_name="made from",
            ),
        ),
        migrations.AddField(
            model_name="revision",
            name="files",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Their rows by their names.",
                verbose_name="trace files",
            ),
        ),
        migrations.AddField(
            model_name="revision",
            name="notes",
            field=models.TextField(blank=True, verbose_name="notes"),
        ),
        migrations.AddField(
            model_name="run",
            name="files",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Their rows by their names, as they were when the run started.",
                verbose_name="trace files",
            ),
        ),
        migrations.AddField(
            model_name="tracefile",
            name="deleted",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="deleted"
            ),
        ),
        migrations.AddConstraint(
            model_name="tracefile",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted", None)),
                fields=("lab", "name"),
                name="file_once",
                violation_error_message="The lab has a file of this name already.",
            ),
        ),
    ]
