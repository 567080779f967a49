"""What TimescaleDB is concerned with: the hypertable, the notes of changes, hourly aggregates."""

from pathlib import Path

from django.db import migrations

from telemetry.store.db.edition import read_edition

SCHEMA = Path(__file__).parent.parent / "sql" / "schema"


def run_file(schema_editor, name):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute((SCHEMA / f"{name}.sql").read_text(encoding="utf-8"))


def create(apps, schema_editor):
    for name in ("reading", "registry_change", "batch_halves", "presence"):
        run_file(schema_editor, name)
    with schema_editor.connection.cursor() as cursor:
        edition = read_edition(cursor)
    run_file(schema_editor, f"hourly_aggregate_{edition}")


def drop(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if read_edition(cursor) == "community":
            cursor.execute("DROP MATERIALIZED VIEW hourly_aggregate")
        else:
            cursor.execute("DROP TABLE hourly_aggregate")
        cursor.execute(
            "DROP TRIGGER gateway_change ON gateway; DROP TRIGGER device_change ON device;"
            "DROP TRIGGER account_change ON account; DROP FUNCTION note_gateway_change;"
            "DROP FUNCTION note_device_change; DROP FUNCTION note_account_change;"
            "DROP TABLE registry_change; DROP TABLE reading; DROP INDEX batch_stem;"
            "ALTER TABLE gateway RESET (fillfactor)"
        )


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
