"""The key of readings carries what aggregates need. Nothing is stored while it is made anew: messages
wait in the queue, 110 s for a hundred million readings where maintenance_work_mem was 512 MB."""

from pathlib import Path

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "schema"


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0014_dead_letter_mac")]
    operations = [
        migrations.RunSQL(
            (SCHEMA / "reading_key.sql").read_text(encoding="utf-8"),
            "CREATE UNIQUE INDEX reading_key_plain ON reading (device_id, time); "
            "DROP INDEX reading_key; ALTER INDEX reading_key_plain RENAME TO reading_key",
        ),
    ]
