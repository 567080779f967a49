"""Readings are found by device and by time, no more by account."""

from pathlib import Path

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "schema"


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0003_listings")]
    operations = [
        migrations.RunSQL(
            (SCHEMA / "reading_index.sql").read_text(encoding="utf-8"),
            "DROP INDEX reading_time;"
            "CREATE INDEX reading_account_time ON reading (account_id, time);",
        )
    ]
