"""Devices with billed months are kept, also when their readings were dropped."""

from pathlib import Path

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "schema"


def read_former():
    """The function as 0003 made it."""
    rules = (SCHEMA / "device_rules.sql").read_text(encoding="utf-8")
    start = rules.index("FUNCTION keep_device_with_readings")
    return "CREATE OR REPLACE " + rules[start : rules.index("CREATE TRIGGER device_kept")]


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0005_storage_life")]
    operations = [
        migrations.RunSQL((SCHEMA / "kept_devices.sql").read_text(encoding="utf-8"), read_former())
    ]
