"""Days and months are an account's; an hour is the account's that its first received reading names."""

from pathlib import Path

from django.db import migrations, models

from telemetry.store.db.edition import read_edition

SCHEMA = Path(__file__).parent.parent / "sql" / "schema"


def read(name):
    return (SCHEMA / f"{name}.sql").read_text(encoding="utf-8")


def read_former_calendar():
    """The function as 0004 made it."""
    notes = read("consumption_notes")
    start = notes.index("FUNCTION change_calendar")
    return "CREATE OR REPLACE " + notes[start : notes.index("CREATE TRIGGER account_calendar")]


def read_listing():
    """The view over hourly aggregates of 0003."""
    listings = read("listings")
    return listings[listings.index("CREATE VIEW hourly_listing") :]


def make_aggregate_anew(apps, schema_editor):
    """Community: a continuous aggregate made before names another account. Made anew, all is noted."""
    with schema_editor.connection.cursor() as cursor:
        if read_edition(cursor) != "community":
            return
        cursor.execute(
            "SELECT view_definition LIKE '%%received_at%%' "
            "FROM timescaledb_information.continuous_aggregates WHERE view_name = 'hourly_aggregate'"
        )
        if cursor.fetchone()[0]:
            return
        cursor.execute("SELECT isfinite(max(dropped_before)) FROM raw_horizon")
        if cursor.fetchone()[0]:
            raise RuntimeError(
                "hourly_aggregate cannot be made anew: readings of some of its hours were dropped, "
                "so those hours would be lost. This database cannot be migrated."
            )
        cursor.execute(
            "INSERT INTO dirty_hour (hour, device_ids) SELECT hour, array_agg(device_id ORDER BY "
            "device_id) FROM hourly_aggregate GROUP BY hour"
        )
        cursor.execute("DROP VIEW hourly_listing; DROP MATERIALIZED VIEW hourly_aggregate")
        cursor.execute(read("hourly_aggregate_community"))
        cursor.execute(read_listing())


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0006_kept_devices")]
    operations = [
        migrations.AlterField(
            model_name="dailyaggregate",
            name="pk",
            field=models.CompositePrimaryKey(
                "device_id",
                "day",
                "account_id",
                blank=True,
                editable=False,
                primary_key=True,
                serialize=False,
            ),
        ),
        migrations.RunSQL(
            read("account_in_keys"),
            "ALTER TABLE daily_aggregate DROP CONSTRAINT daily_aggregate_pkey, "
            "ADD PRIMARY KEY (device_id, day);"
            "ALTER TABLE monthly_total DROP CONSTRAINT monthly_total_pkey, "
            "ADD PRIMARY KEY (device_id, month);"
            "ALTER TABLE dirty_account DROP COLUMN cut_to;",
        ),
        migrations.RunSQL(read("calendar_noted"), read_former_calendar()),
        migrations.RunSQL(read("monthly_consumption"), migrations.RunSQL.noop),
        migrations.RunPython(make_aggregate_anew, migrations.RunPython.noop),
    ]
