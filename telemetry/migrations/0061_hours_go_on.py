"""Up to when an hour is known, and since when it may have changed: the refresh reads what is new."""

import django.contrib.postgres.fields
from django.db import migrations, models

from telemetry.store.db.edition import read_edition


def add_last_at(apps, schema_editor):
    """The Community edition computes hours by itself."""
    with schema_editor.connection.cursor() as cursor:
        if read_edition(cursor) == "apache":
            cursor.execute(
                "ALTER TABLE hourly_aggregate ADD COLUMN IF NOT EXISTS last_at timestamptz"
            )


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0060_lines_of_closing"),
    ]

    operations = [
        migrations.AddField(
            model_name="dirtyhour",
            name="since_ms",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.IntegerField(), null=True, size=None, verbose_name="since"
            ),
        ),
        migrations.RunPython(add_last_at, migrations.RunPython.noop),
    ]
