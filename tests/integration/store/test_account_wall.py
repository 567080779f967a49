"""The second wall between accounts, and what each role may do.

Tables are found in the catalogue: a new one without a policy fails here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.core.signals import request_finished, request_started
from django.db import connection as django_connection
from django.db import transaction
from psycopg import sql
from psycopg.errors import (
    CheckViolation,
    ForeignKeyViolation,
    InsufficientPrivilege,
    NotNullViolation,
    WithCheckOptionViolation,
)

from config.env import read_options
from config.options import RetentionOptions
from telemetry.core.consumption import Meter
from telemetry.models import Account, Gateway, Membership, User
from telemetry.store.db.account_scope import identify, open_account, open_every_account
from telemetry.store.db.connection import Connection, become_owner, open_connection
from telemetry.store.db.edition import read_edition
from telemetry.store.retention.apply import plan_retention
from telemetry.store.retention.sizes import read_sizes
from tests.consumption import Site, register

pytestmark = pytest.mark.integration

# What a column demands, where the value of its type does not do.
VALUES: dict[tuple[str, str], object] = {
    ("alarm_delivery", "alarm_ids"): [1],
    ("alarm_rule", "kind"): "above",
    ("api_token", "scopes"): ["read"],
    ("band_period", "days"): ["weekday"],
    ("edit", "kind"): "void",
    ("edit", "state"): "applied",
    ("membership", "role"): "viewer",
}
BY_TYPE: dict[str, object] = {
    "bigint": 1, "integer": 1, "smallint": 1, "numeric": 1, "boolean": True, "jsonb": "{}",
    "date": "2026-09-01", "time without time zone": "00:00",
    "timestamp with time zone": "2026-09-01T12:00Z",
}  # fmt: skip
REFUSED = (InsufficientPrivilege, CheckViolation, ForeignKeyViolation, WithCheckOptionViolation)
# A view's check comes after those of its table: a row that lacks nothing.
INSERTS = {
    "reading": "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value,"
    " unit) VALUES (now(), now(), %(other)s, 1, 1, 1, 'kWh')"
}
# Where the Community edition has the rows of hours.
HOURS_BEHIND_THE_VIEW = """
SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates WHERE view_name = 'hourly_bucket'
"""
READ_BEFORE_AN_ACCOUNT = {"account", "membership", "invitation", "api_token", "kiosk_link"}
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s AND column_default IS NULL AND is_identity = 'NO'
    AND (is_nullable = 'NO' OR column_name IN ('account_id', 'gateway_id'))
"""
PARENTS = """
SELECT a.attname, k.confrelid::regclass::text FROM pg_constraint k
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND k.conrelid = %s::regclass
"""
# Tables and views with an account, and how to tell whose a row is.
WITH_ACCOUNT = """
SELECT relname, relkind::text FROM pg_class c
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND (relname = 'account'
    OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'account_id'))
ORDER BY (relname = 'account') DESC, (relname = 'gateway') DESC, (relname = 'device') DESC,
    (relname = 'closed_month') DESC, relname
"""
# Tables whose rows belong to a gateway, device or schedule, and so to its account.
BELONGING = """
SELECT DISTINCT c.relname, a.attname::text, coalesce(
    (SELECT k.confrelid::regclass::text FROM pg_constraint k WHERE k.conrelid = c.oid
        AND k.contype = 'f' AND a.attnum = k.conkey[1]), replace(a.attname, '_id', ''))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'account_id')
    AND (a.attname IN ('gateway_id', 'device_id') AND NOT EXISTS (
        SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f' AND attnum = ANY (conkey)
    ) OR EXISTS (
        SELECT FROM pg_constraint k JOIN pg_attribute p ON p.attrelid = k.confrelid
        WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = k.conkey[1]
            AND p.attname = 'account_id'))
ORDER BY 1
"""


def list_relations(connection: Connection) -> list[str]:
    return [str(name) for name, _ in connection.execute(WITH_ACCOUNT).fetchall()]


def find_owner(connection: Connection, name: str) -> sql.Composable:
    """The account of a row of a relation, as an expression."""
    if name in list_relations(connection):
        return sql.Identifier("id" if name == "account" else "account_id")
    [(column, parent)] = [
        (column, parent)
        for relation, column, parent in connection.execute(BELONGING).fetchall()
        if relation == name
    ]
    return sql.SQL("(SELECT p.account_id FROM public.{} p WHERE p.id = {})").format(
        sql.Identifier(str(parent)), sql.Identifier(str(column))
    )


def add_row(connection: Connection, table: str, site: Site, user_id: int) -> None:
    """A row of the account in a table, whatever the table is."""
    if table == "installation":  # one comes with the device
        return
    parents = dict(connection.execute(PARENTS, [table]).fetchall())
    row: dict[str, object] = {}
    for name, kind in connection.execute(COLUMNS, [table]).fetchall():
        column, parent = str(name), parents.get(name)
        if (table, column) in VALUES:
            row[column] = VALUES[table, column]
        elif column in ("account_id", "device_id", "gateway_id"):
            row[column] = getattr(site, column)
        elif parent == "telemetry_user":
            row[column] = user_id
        elif parent is not None:
            found: Any = connection.execute(
                sql.SQL("SELECT max(id) FROM {} WHERE account_id = %s").format(
                    sql.Identifier(str(parent))
                ),
                [site.account_id],
            ).fetchone()
            row[column] = found[0]
        elif kind == "bytea":
            row[column] = bytes([site.account_id % 256])
        else:
            row[column] = BY_TYPE.get(str(kind), f"{site.account_id}")
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
        ),
        row,
    )


@pytest.fixture
def sites(connection: Connection) -> list[Site]:
    """Two accounts, each with a row in every table that has accounts."""
    sites = [register(connection, Meter("delta")) for _ in range(2)]
    user = User.objects.create_user("reader")
    filled = {"account", "gateway", "device"}
    tables = [
        str(name)
        for name, kind in connection.execute(WITH_ACCOUNT).fetchall()
        if kind == "r" and name not in filled
    ]
    belonging = [str(name) for name, *_ in connection.execute(BELONGING).fetchall()]
    for site in sites:
        waiting = [*tables, *belonging]
        for _ in range(len(waiting) ** 2):  # a table's parents may come after it
            table = waiting.pop(0)
            try:
                add_row(connection, table, site, user.pk)
            except NotNullViolation:
                waiting.append(table)
            if not waiting:
                break
        assert waiting == [], "no row could be made: what do they demand of VALUES?"
    if read_edition(connection.cursor()) == "community":  # a view of hours takes no rows
        connection.execute("CALL refresh_continuous_aggregate('hourly_bucket', NULL, NULL)")
    return sites


@pytest.fixture
def web(servers: Any, django_db_setup: None) -> Iterator[Connection]:
    """A session as a member's request has it, before an account is opened."""
    with psycopg.connect(servers.environ["WEB_DATABASE_URL"], autocommit=True) as opened:
        yield opened


def open_in(session: Connection, account: int | str) -> None:
    session.execute("SELECT set_config('app.account_id', %s, false)", [str(account)])


def is_readable(session: Connection, name: str) -> bool:
    row: Any = session.execute("SELECT has_table_privilege(%s, 'SELECT')", [name]).fetchone()
    return bool(row[0])


def count_rows(session: Connection, name: str, owner: sql.Composable) -> dict[int, int]:
    statement = sql.SQL("SELECT {}, count(*) FROM {} GROUP BY 1").format(
        owner, sql.Identifier(name)
    )
    return dict(session.execute(statement).fetchall())  # type: ignore[arg-type]


def list_walled(connection: Connection) -> list[tuple[str, sql.Composable]]:
    names = [
        *list_relations(connection),
        *(str(name) for name, *_ in connection.execute(BELONGING).fetchall()),
    ]
    return [(name, find_owner(connection, name)) for name in dict.fromkeys(names)]


def test_it_reads_rows_of_the_opened_account_only(
    connection: Connection, sites: list[Site], web: Connection
) -> None:
    mine, other = (site.account_id for site in sites)
    walled = list_walled(connection)
    assert len(walled) > 25
    for name, owner in walled:
        if not is_readable(web, name):
            continue
        open_in(web, 0)
        everything = count_rows(connection, name, owner)
        assert {mine, other} <= set(everything), f"{name}: no row of both accounts to tell by"
        total = sum(count_rows(web, name, sql.SQL("1")).values())
        assert total == sum(everything.values()), f"{name}: an administrator sees every account"
        open_in(web, mine)
        seen = sum(count_rows(web, name, sql.SQL("1")).values())
        assert seen == everything[mine], f"{name}: {seen} rows seen, {everything[mine]} are mine"
        if name in list_relations(connection):
            assert set(count_rows(web, name, owner)) == {mine}, name
        for nothing in ("", "-1"):
            open_in(web, nothing)
            seen = sum(count_rows(web, name, sql.SQL("1")).values())
            is_open = nothing == "" and name in READ_BEFORE_AN_ACCOUNT
            assert bool(seen) == is_open, f"{name}: {seen} rows seen before an account is opened"


def test_it_writes_rows_of_the_opened_account_only(
    connection: Connection, sites: list[Site], web: Connection
) -> None:
    mine, other = sites
    written = 0
    for name in list_relations(connection):
        column = "id" if name == "account" else "account_id"
        before = count_rows(connection, name, find_owner(connection, name))
        for right, statement in (
            ("UPDATE", f"UPDATE {name} SET {column} = {column} WHERE {column} = %(other)s"),
            ("DELETE", f"DELETE FROM {name} WHERE {column} = %(other)s"),
            ("UPDATE", f"UPDATE {name} SET {column} = %(other)s WHERE {column} = %(mine)s"),
            ("INSERT", INSERTS.get(name, f"INSERT INTO {name} ({column}) VALUES (%(other)s)")),
        ):
            open_in(web, mine.account_id)
            values = {"mine": mine.account_id, "other": other.account_id}
            allowed: Any = web.execute(
                "SELECT has_table_privilege(%s, %s)", [name, right]
            ).fetchone()
            written += allowed[0]
            try:
                cursor = web.execute(statement, values)  # type: ignore[arg-type]
            except REFUSED:
                continue
            except psycopg.errors.NotNullViolation as error:
                raise AssertionError(f"{name}: only a missing value stopped an INSERT") from error
            except psycopg.errors.ObjectNotInPrerequisiteState:  # a view cannot be written
                continue
            if "(mine)" not in statement:  # a trigger may give a device its gateway's account again
                assert cursor.rowcount == 0, f"{name}: {statement}"
        assert count_rows(connection, name, find_owner(connection, name)) == before
    assert written > 30


def test_it_has_a_policy_on_each_table_with_an_account(connection: Connection) -> None:
    without = connection.execute(
        "SELECT relname FROM pg_class c WHERE relname = ANY (%s) AND relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace AND NOT (relrowsecurity"
        " AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid))"
        " AND has_table_privilege('tds_web', c.oid, 'SELECT, INSERT, UPDATE, DELETE')",
        [[name for name, _ in list_walled(connection)]],
    ).fetchall()
    assert without == []


def test_it_gives_no_way_around_the_views(
    connection: Connection, sites: list[Site], web: Connection
) -> None:
    [(chunk,)] = connection.execute("SELECT show_chunks('reading')::text LIMIT 1").fetchall()
    relations = ["public.reading", "public.hourly_aggregate", "public.reading_listing", str(chunk)]
    for (rows,) in connection.execute(HOURS_BEHIND_THE_VIEW).fetchall():
        relations += ["public.hourly_bucket", str(rows)]
    for relation in relations:
        with pytest.raises(InsufficientPrivilege):
            web.execute(f"SELECT * FROM {relation}")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE account ADD COLUMN extra integer",
        "CREATE TABLE extra (id integer)",
        "CREATE FUNCTION scoped.account2() RETURNS bigint LANGUAGE sql RETURN 0",
        "DROP TABLE alarm",
        "TRUNCATE alarm",
        "DROP POLICY account ON alarm",
        "ALTER TABLE alarm DISABLE ROW LEVEL SECURITY",
        "SET ROLE tds",
        "SET SESSION AUTHORIZATION tds",
        "INSERT INTO batch (id) VALUES ('x')",
        "DELETE FROM public.reading",
        "CREATE TEMPORARY TABLE extra (id integer)",
        "COPY account TO PROGRAM 'true'",
        "INSERT INTO certificate (serial) VALUES ('1')",
        "UPDATE certificate SET pem = ''",
        "DELETE FROM certificate",
        "INSERT INTO lot (name) VALUES ('x')",
        "UPDATE lot SET not_after = 'infinity'",
        "DELETE FROM enrolment",
    ],
)
def test_it_lets_the_web_process_alter_nothing(web: Connection, statement: str) -> None:
    open_in(web, 0)
    with pytest.raises((InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
        web.execute(statement)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("role", "table"),
    [
        *(("INGEST", name) for name in ("telemetry_user", "user_session", "api_token")),
        *(("INGEST", name) for name in ("membership", "invitation", "report_schedule", "alarm")),
        *(("MAINTENANCE", name) for name in ("user_session", "api_token", "axes_accessattempt")),
        *(("MAINTENANCE", name) for name in ("otp_totp_totpdevice", "identity")),
        *(("BEAT", name) for name in ("telemetry_user", "account", "reading", "api_token")),
    ],
)
def test_it_keeps_from_a_pool_what_it_does_not_need(
    servers: Any, connection: Connection, role: str, table: str
) -> None:
    with (
        psycopg.connect(servers.environ[f"{role}_DATABASE_URL"], autocommit=True) as session,
        pytest.raises(InsufficientPrivilege),
    ):
        session.execute(f"SELECT 1 FROM {table}")  # type: ignore[arg-type]


def test_it_lets_maintenance_drop_chunks_as_their_owner_only(
    servers: Any, connection: Connection, sites: list[Site]
) -> None:
    drop = "SELECT count(*) FROM drop_chunks('reading', older_than => 'infinity'::timestamptz)"
    url = servers.environ["MAINTENANCE_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as session:
        with pytest.raises(InsufficientPrivilege):
            session.execute(drop)
        become_owner(session)
        assert session.execute(drop).fetchone() == (1,)


def test_it_measures_and_plans_as_the_web_process(
    servers: Any, connection: Connection, sites: list[Site], environ: dict[str, str]
) -> None:
    url = servers.environ["WEB_DATABASE_URL"]
    with open_connection(url, name="test", statement_timeout_s=10) as session:
        sizes = {size.name: size for size in read_sizes(session)}
        assert sizes["reading"].rows == 2
        assert sizes["hourly_aggregate"].rows == 2
        plan_retention(session, options=read_options(RetentionOptions), now=datetime.now(UTC))


@pytest.fixture
def request_of(connection: Connection) -> Iterator[None]:
    request_started.send(None)
    yield
    request_finished.send(None)


def test_it_shows_a_request_nothing_until_an_account_is_opened(
    connection: Connection, sites: list[Site], request_of: None
) -> None:
    assert Gateway.objects.count() == 0
    assert Account.objects.count() == 2
    open_account(sites[0].account_id)
    assert [gateway.account_id for gateway in Gateway.objects.all()] == [sites[0].account_id]
    with identify():
        assert Account.objects.count() == 2
        assert Gateway.objects.count() == 0
    assert Account.objects.count() == 1
    open_every_account()
    assert Gateway.objects.count() == 2


def test_it_forgets_the_account_with_the_request(connection: Connection, sites: list[Site]) -> None:
    for site in sites:
        request_started.send(None)
        assert Membership.objects.count() == 2
        assert Gateway.objects.count() == 0
        open_account(site.account_id)
        assert [gateway.pk for gateway in Gateway.objects.all()] == [site.gateway_id]
        request_finished.send(None)
    assert Gateway.objects.count() == 2


def test_it_shows_the_wanted_account_after_a_rollback_that_took_the_setting_back(
    connection: Connection, sites: list[Site], request_of: None
) -> None:
    mine, other = sites

    def seen() -> list[int]:
        return list(Gateway.objects.values_list("account_id", flat=True))

    open_account(mine.account_id)
    assert seen() == [mine.account_id]
    with transaction.atomic():
        open_account(other.account_id)
        assert seen() == [other.account_id]
        transaction.set_rollback(True)
    assert seen() == [other.account_id]
    with transaction.atomic():
        with transaction.atomic():
            open_account(mine.account_id)
            assert seen() == [mine.account_id]
            transaction.set_rollback(True)
        assert seen() == [mine.account_id]
    assert seen() == [mine.account_id]


def test_it_shows_the_wanted_account_in_a_new_session(
    connection: Connection, sites: list[Site], request_of: None
) -> None:
    open_account(sites[0].account_id)
    assert Gateway.objects.count() == 1
    django_connection.close()
    assert Gateway.objects.count() == 1
