"""Views for the admin, and the rules of devices that no writer may break."""

from pathlib import Path

from django.db import migrations

SCHEMA = Path(__file__).parent.parent / "sql" / "schema"


def read(name):
    return (SCHEMA / f"{name}.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0002_timescale")]
    operations = [
        migrations.RunSQL(read("listings"), "DROP VIEW reading_listing; DROP VIEW hourly_listing;"),
        migrations.RunSQL(
            read("device_rules"),
            "DROP TRIGGER device_account ON device; DROP FUNCTION set_device_account;"
            "DROP TRIGGER gateway_account ON gateway; DROP FUNCTION move_devices_with_gateway;"
            "DROP TRIGGER device_kept ON device; DROP FUNCTION keep_device_with_readings;",
        ),
    ]
