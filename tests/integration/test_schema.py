"""The schema as its files and the models describe it is what the migrations make."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from telemetry.backup.tables import list_migrations, squash
from telemetry.store.db.connection import Connection
from telemetry.store.db.edition import ensure_extension, read_edition
from telemetry.store.db.rights import apply_rights

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("as_owner")]

FOLDER = Path("telemetry/sql/schema")
MIGRATIONS = Path("telemetry/migrations")
HOURLY = "hourly_aggregate_{edition}"
# In an order in which a database can run them.
FILES = (
    *("readings", HOURLY, "aggregates", "consumption", "fleet", "installations"),
    *("registry_change", "batches", "dirty_hours", "calendars", "monthly_consumption"),
    *("billed_month", "listings"),
)
# Each object of the schema with its definition. The order of a table's columns is not part of it.
OBJECTS = """
SELECT 'column', attrelid::regclass || '.' || attname, concat_ws(' ',
    format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid))
FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum
WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'v')
    AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'relation', relname, concat_ws(' ', relkind, reloptions::text, relacl::text,
    CASE relkind WHEN 'i' THEN pg_get_indexdef(oid) WHEN 'v' THEN pg_get_viewdef(oid) END)
FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
UNION ALL
SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid)
FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
UNION ALL
SELECT 'dimension', hypertable_name || '.' || column_name, time_interval::text
FROM timescaledb_information.dimensions
UNION ALL
SELECT 'aggregate', view_name, view_definition FROM timescaledb_information.continuous_aggregates
UNION ALL
SELECT 'job', proc_name, concat_ws(' ', hypertable_name, schedule_interval, config)
FROM timescaledb_information.jobs
"""


@pytest.fixture
def other_database(connection: Connection) -> Iterator[BaseDatabaseWrapper]:
    """An empty database beside the migrated one."""
    name = "from_files"
    connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.execute(f"CREATE DATABASE {name}")
    other = connections["default"].copy(alias=name)
    other.settings_dict["NAME"] = name
    connections.databases[name] = other.settings_dict
    connections[name] = other
    yield other
    other.close()
    del connections[name], connections.databases[name]
    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def read_objects(database: BaseDatabaseWrapper) -> dict[tuple[str, str | None], str | None]:
    with database.cursor() as cursor:
        cursor.execute(OBJECTS)
        return {
            (kind, _without_number(name)): _without_number(definition)
            for kind, name, definition in cursor.fetchall()
        }


def _without_number(text: str | None) -> str | None:
    """A continuous aggregate's table is named by how many hypertables there were before it."""
    return text and re.sub(r"_materialized_hypertable_\d+", "_materialized_hypertable", text)


def create_from_files(database: BaseDatabaseWrapper) -> None:
    """Tables from the models, everything else from the files; other apps by their migrations."""
    executor = MigrationExecutor(database)
    axes = executor.loader.graph.leaf_nodes("axes")  # a model here is a proxy of one there
    executor.migrate([("auth", "0012_alter_user_first_name_max_length"), *axes])
    with database.cursor() as cursor:
        ensure_extension(cursor)
        edition = read_edition(cursor)
    with database.schema_editor() as editor:
        for model in apps.get_app_config("telemetry").get_models():
            if model._meta.managed and not model._meta.proxy:
                editor.create_model(model)
    with database.cursor() as cursor:
        for name in FILES:
            cursor.execute((FOLDER / f"{name.format(edition=edition)}.sql").read_text("utf-8"))
    executor.loader.build_graph()
    executor.migrate(executor.loader.graph.leaf_nodes("telemetry"), fake=True)
    executor.loader.build_graph()
    executor.migrate(executor.loader.graph.leaf_nodes())
    apply_rights(database.alias)


@pytest.mark.django_db(transaction=True)
def test_it_makes_the_same_schema_by_migrations_as_by_files(
    other_database: BaseDatabaseWrapper,
) -> None:
    create_from_files(other_database)
    migrated, described = read_objects(connections["default"]), read_objects(other_database)
    assert len(migrated) > 500
    assert described == migrated


def test_it_knows_the_order_of_every_schema_file() -> None:
    names = {name.format(edition=e) for name in FILES for e in ("apache", "community")}
    assert {path.stem for path in FOLDER.glob("*.sql")} == names


def test_it_has_the_aggregate_of_the_community_edition_in_a_migration() -> None:
    """A server of the Apache edition cannot make it: its text is compared."""
    migrations = [path.read_text("utf-8") for path in MIGRATIONS.glob("0*.py")]
    described = (FOLDER / f"{HOURLY.format(edition='community')}.sql").read_text("utf-8")
    assert any(described in migration for migration in migrations)


@pytest.mark.django_db
def test_it_takes_a_database_of_the_replaced_migrations_as_migrated(
    connection: Connection,
) -> None:
    here = list_migrations(connection)
    default = connections["default"]
    disk = MigrationLoader(default).disk_migrations
    replaced = [key for migration in disk.values() for key in migration.replaces]
    recorder = MigrationRecorder(default)
    recorder.migration_qs.filter(app="telemetry").delete()
    for app, name in replaced:
        recorder.record_applied(app, name)
    executor = MigrationExecutor(default)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    later = {key for key, one in disk.items() if key[0] == "telemetry" and not one.replaces}
    assert ("telemetry", "0004_names") in later
    assert {(migration.app_label, migration.name) for migration, _ in plan} == later
    for app, name in later:
        recorder.record_applied(app, name)
    old = [f"{app}.{name}" for app, name in recorder.applied_migrations()]
    assert len(replaced) == 15
    assert squash(old) == squash(here) == {f"{app}.{name}" for app, name in disk}
    assert squash(set(old) - {"telemetry.0016_split_batches"}) != squash(here)


@pytest.mark.django_db(transaction=True)
def test_it_renames_what_a_database_of_the_version_before_holds(
    other_database: BaseDatabaseWrapper,
) -> None:
    executor = MigrationExecutor(other_database)
    leaves = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] != "telemetry"]
    executor.migrate([*leaves, ("telemetry", "0003_rules")])
    with other_database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO refused_hour (device_id, hour, dropped_before) VALUES (1, now(), now());"
            "INSERT INTO dirty_account (account_id, cut_days, cut_to) VALUES (1, true, 7);"
            "INSERT INTO task_run (name, error, duration_ms, result)"
            " VALUES ('telemetry.judge_alarms', '', 0, '{}');"
            "INSERT INTO django_celery_beat_periodictask (name, task, args, kwargs, enabled,"
            " one_off, total_run_count, date_changed, description, headers)"
            " VALUES ('Keep storage', 'telemetry.keep_storage', '[]', '{}', false, false, 0,"
            " now(), '', '{}')"
        )
    executor.loader.build_graph()
    executor.migrate(executor.loader.graph.leaf_nodes())
    with other_database.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM frozen_hour), new_days, last_device_id,"
            " (SELECT name FROM task_run),"
            " (SELECT name || ' ' || task || ' ' || enabled FROM django_celery_beat_periodictask)"
            " FROM dirty_account"
        )
        assert cursor.fetchone() == (
            1, True, 7, "telemetry.evaluate_alarms",
            "Apply retention telemetry.apply_retention false",
        )  # fmt: skip
