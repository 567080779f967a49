"""What is too old is dropped, what is old is compressed, and nothing that counts changes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import IntegrityError

from config.options import RetentionOptions
from telemetry.core.consumption import Meter, Value
from telemetry.models import Account
from telemetry.queue.batches import BatchQueue
from telemetry.store.aggregates.refresh import RefreshBusyError, refresh_aggregates
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.edition import read_edition
from telemetry.store.db.locks import Lock, wait_for_lock
from telemetry.store.operations.delivery_report import read_report
from telemetry.store.retention import apply
from telemetry.store.retention.apply import (
    RetentionResult,
    RetentionRuleError,
    apply_retention,
    plan_retention,
)
from telemetry.store.retention.chunks import list_chunks, read_horizon
from telemetry.store.retention.sizes import read_sizes
from tests.consumption import Site, put, read, read_figures, register
from tests.integration.store.ingest import store
from tests.messages import make_message

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
DAY = timedelta(days=1)
REGISTER = Meter("cumulative")


def edition(connection: Connection) -> str:
    with connection.cursor() as cursor:
        found = read_edition(cursor)
    print("edition:", found)  # noqa: T201 - a figure names its edition
    return found


def make_options(*, raw: int = 440, aggregates: int = 0, compress: int = 0) -> RetentionOptions:
    return RetentionOptions(400, raw, aggregates, compress)


def put_ages(connection: Connection, site: Site, *ages_days: float) -> None:
    """Readings of a register that counts one an hour, the oldest first."""
    values = [
        Value(NOW - age * DAY, Decimal(1_000_000) - Decimal(round(age * 24)))
        for age in sorted(ages_days, reverse=True)
    ]
    put(connection, [(site, value) for value in values])


def keep(connection: Connection, options: RetentionOptions, **more: Any) -> RetentionResult:
    return apply_retention(connection, options=options, now=NOW, **more)


def read_ages(connection: Connection) -> list[int]:
    return [(NOW - at).days for (at,) in read(connection, "SELECT time FROM reading ORDER BY time")]


def test_it_drops_whole_old_chunks_and_leaves_every_aggregate(connection: Connection) -> None:
    edition(connection)
    site = register(connection, REGISTER, zone="America/Sao_Paulo", billing_day=15)
    put_ages(connection, site, 600, 500, 499.9, 441.5, 440, 439, 300, 1)
    refresh_aggregates(connection)
    before = read_figures(connection, site)
    kept = keep(connection, make_options())
    assert (kept.chunks, kept.readings, kept.left, kept.waits) == (3, 4, 0, "")
    assert read_ages(connection) == [440, 439, 300, 1]
    assert read_figures(connection, site) == before
    assert refresh_aggregates(connection).dirty == 0
    assert keep(connection, make_options()).chunks == 0, "a second run finds nothing to do"
    [(rows,)] = read(connection, "SELECT sum(rows) FROM dropped_range WHERE relation = 'reading'")
    assert rows == 4, "the delivery report counts them as stored"


def test_it_keeps_chunks_when_their_hours_are_not_refreshed(connection: Connection) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 600, 500, 1)
    kept = keep(connection, make_options())
    assert kept.chunks == 0
    assert "2 chunks wait for the refresh of the hour 2025-04-04" in kept.waits
    assert read_horizon(connection) is None
    refresh_aggregates(connection)
    put_ages(connection, site, 480)
    kept = keep(connection, make_options())
    assert kept.chunks == 1, "only what lies a billing month before the noted hour"
    assert "wait for the refresh" in kept.waits
    horizon = read_horizon(connection)
    assert horizon is not None
    refreshed = refresh_aggregates(connection)
    assert refreshed.frozen == 0
    assert keep(connection, make_options()).chunks == 2


def test_it_keeps_everything_when_an_account_is_to_be_cut_anew(connection: Connection) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 500, 1)
    refresh_aggregates(connection)
    connection.execute("UPDATE account SET billing_day = 15")
    kept = keep(connection, make_options(aggregates=440))
    assert (kept.chunks, kept.aggregates) == (0, 0)
    assert "must be computed again" in kept.waits


def test_it_drops_nothing_while_somebody_changes_a_calendar(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 500, 1)
    refresh_aggregates(connection)
    plan_retention = apply.plan_retention

    def change_meanwhile(*given: Any, **options: Any) -> apply.RetentionPlan:
        plan = plan_retention(*given, **options)
        Account.objects.update(time_zone="Asia/Kolkata")
        return plan

    monkeypatch.setattr(apply, "plan_retention", change_meanwhile)
    kept = keep(connection, make_options())
    assert kept.chunks == 0
    assert "must be computed again" in kept.waits
    refresh_aggregates(connection)
    assert keep(connection, make_options()).chunks == 1


def test_it_drops_no_days_that_a_new_calendar_needs(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 900, 860, 500, 1)
    refresh_aggregates(connection)
    drop_aggregates = apply._drop_aggregates

    def change_before(*given: Any, **options: Any) -> None:
        Account.objects.update(time_zone="America/New_York")
        drop_aggregates(*given, **options)

    monkeypatch.setattr(apply, "_drop_aggregates", change_before)
    total = "SELECT sum(total) FROM monthly_total"
    before = read(connection, total)
    kept = keep(connection, make_options(aggregates=600))
    assert kept.aggregates == 0
    assert "must be computed again" in kept.waits
    refresh_aggregates(connection)
    assert read(connection, total) == before


def test_it_refuses_a_reading_that_comes_after_its_neighbours_were_dropped(
    connection: Connection,
) -> None:
    edition(connection)
    site = register(connection, REGISTER)
    put_ages(connection, site, 500, 490, 300)
    refresh_aggregates(connection)
    before = read_figures(connection, site)
    keep(connection, make_options())
    put_ages(connection, site, 495)
    put_ages(connection, site, 470)
    refreshed = refresh_aggregates(connection)
    assert refreshed.frozen == 2, "one among what was dropped, one before the horizon"
    assert read_figures(connection, site) == before
    hours = read(connection, "SELECT hour FROM frozen_hour ORDER BY hour")
    assert [(NOW - hour).days for (hour,) in hours] == [495, 470]
    assert keep(connection, make_options()).readings == 2, "late chunks go with the next run"


def test_it_counts_a_register_on_when_the_reading_before_was_dropped(
    connection: Connection,
) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 900, 899)
    refresh_aggregates(connection)
    keep(connection, make_options(aggregates=440))
    assert read(connection, "SELECT count(*) FROM reading") == [(0,)]
    put_ages(connection, site, 3)
    refresh_aggregates(connection)
    counted = read(connection, "SELECT consumption FROM hourly_consumption ORDER BY hour DESC")
    assert counted[0] == (Decimal(896 * 24),)


def test_it_leaves_readings_and_horizon_when_somebody_reads_the_chunk(
    connection: Connection, database_url: str
) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 500, 1)
    refresh_aggregates(connection)
    with (
        open_connection(database_url, name="reader", statement_timeout_s=30) as reader,
        reader.transaction(),
    ):
        reader.execute("SELECT count(*) FROM reading")
        kept = keep(connection, make_options())
    assert kept.chunks == 0
    assert "is being read" in kept.waits
    assert read_horizon(connection) is None
    assert read(connection, "SELECT count(*) FROM dropped_range") == [(0,)]
    assert len(read_ages(connection)) == 2


def test_it_drops_hours_and_days_but_no_month(connection: Connection) -> None:
    is_community = edition(connection) == "community"
    site = register(connection, REGISTER, zone="America/Sao_Paulo")
    ages = [*(500 + hours / 24 for hours in range(72)), *range(440, 476), 300, 1]
    put_ages(connection, site, *ages)
    refresh_aggregates(connection)
    before = read_figures(connection, site)
    kept = keep(connection, make_options(aggregates=440))
    after = read_figures(connection, site)
    horizon = read_horizon(connection)
    assert horizon is not None
    assert after["months"] == before["months"]
    assert kept.aggregates > 0
    cut = horizon - 32 * DAY
    dropped_days = before["days"].keys() - after["days"].keys()
    assert dropped_days
    assert max(dropped_days) < cut.date()
    if is_community:  # whole chunks, so later
        assert {hour for hour in before["hours"] if hour >= cut} <= after["hours"].keys()
    else:
        assert set(after["hours"]) == {hour for hour in before["hours"] if hour >= cut}
    # The first month behind the horizon is made anew from whole days.
    put_ages(connection, site, (NOW - horizon).days - 0.5)
    refresh_aggregates(connection)
    months = read_figures(connection, site)["months"]
    assert sum(of[0] for of in months.values()) == Decimal(round((max(ages) - 1) * 24))


def test_it_keeps_the_calendar_of_months_whose_days_are_gone(connection: Connection) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, *(500 + hours / 24 for hours in range(72)), 1)
    refresh_aggregates(connection)
    keep(connection, make_options(aggregates=440))
    account = Account.objects.get(pk=site.account_id)
    account.billing_day = 15
    with pytest.raises(ValidationError, match="days were dropped"):
        account.full_clean()
    with pytest.raises(IntegrityError, match="days were dropped"):
        account.save()


def test_it_keeps_what_a_closed_month_was_billed(connection: Connection) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 500, 499, 470, 1)
    refresh_aggregates(connection)
    months = read(connection, "SELECT month, total FROM monthly_total ORDER BY month")
    billed = months[0]
    connection.execute(
        "INSERT INTO closed_month (account_id, month) VALUES (%s, %s)", [site.account_id, billed[0]]
    )
    connection.execute(
        "UPDATE monthly_total SET closed_total = total WHERE month = %s", [billed[0]]
    )
    keep(connection, make_options(aggregates=440))
    put_ages(connection, site, 499.5)
    refresh_aggregates(connection)
    assert read(
        connection,
        "SELECT month, total, state FROM monthly_consumption ORDER BY month LIMIT 1",
    ) == [(*billed, "closed")]
    assert read(connection, "SELECT count(*) FROM month_adjustment") == [(0,)]


def test_it_compresses_old_chunks_or_says_which_edition_cannot(connection: Connection) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, *(20 + hours / 24 for hours in range(48)), 3, 1)
    refresh_aggregates(connection)
    before = read_figures(connection, site)
    kept = keep(connection, make_options(raw=0, compress=7))
    if edition(connection) == "apache":
        assert (kept.compressed, kept.left) == (0, 0)
        assert "needs TimescaleDB Community" in kept.unavailable
        return
    compressed = [chunk.is_compressed for chunk in list_chunks(connection, "reading")]
    assert compressed[-2:] == [False, False]
    assert all(compressed[:-2])
    assert kept.compressed >= len(compressed) - 2
    assert keep(connection, make_options(raw=0, compress=7)).compressed == 0
    put_ages(connection, site, 20.02)  # a late reading meets compressed rows
    refresh_aggregates(connection)
    assert len(read_ages(connection)) == 51
    assert read_figures(connection, site)["hours"].keys() >= before["hours"].keys()
    readings = read_sizes(connection)[0]
    assert readings.compressed_chunks == len(compressed) - 2
    assert readings.after_bytes > 0
    assert keep(connection, make_options(raw=440)).chunks == 0


def test_it_stops_at_its_budget_and_says_what_is_left(connection: Connection) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 500, 480, 460, 1)
    refresh_aggregates(connection)
    kept = keep(connection, make_options(), budget_s=-1)
    assert (kept.chunks, kept.left) == (0, 3)
    kept = keep(connection, make_options())
    assert (kept.chunks, kept.left) == (3, 0)


def test_it_drops_nothing_when_the_settings_contradict_each_other(connection: Connection) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 500, 1)
    refresh_aggregates(connection)
    with pytest.raises(RetentionRuleError, match="RAW_RETENTION_DAYS=100: expected"):
        keep(connection, make_options(raw=100))
    assert len(read_ages(connection)) == 2


def test_it_leaves_the_field_when_a_refresh_is_under_way(
    connection: Connection, database_url: str
) -> None:
    connection.execute("SET lock_timeout = '100ms'")
    with open_connection(database_url, name="other", statement_timeout_s=10) as other:
        assert wait_for_lock(other, Lock.REFRESH)
        with pytest.raises(RefreshBusyError):
            keep(connection, make_options())
    assert keep(connection, make_options()).chunks == 0


def test_it_says_what_it_would_drop_and_then_drops_it(
    connection: Connection, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = register(connection, REGISTER)
    at = datetime.now(UTC)
    put(connection, [(site, Value(at - age * DAY, Decimal(1))) for age in (500, 1)])
    refresh_aggregates(connection)
    monkeypatch.setenv("RAW_RETENTION_DAYS", "440")

    def call(**options: Any) -> str:
        output = StringIO()
        call_command("apply_retention", stdout=output, skip_checks=False, **options)
        return output.getvalue()

    assert f"would drop readings of {at - 500 * DAY:%Y-%m-%d}" in call(dry_run=True)
    assert read(connection, "SELECT count(*) FROM reading") == [(2,)]
    assert "dropped 1 chunks with 1 readings" in call()
    assert read(connection, "SELECT count(*) FROM reading") == [(1,)]
    assert "nothing is due" in call(dry_run=True)
    monkeypatch.setenv("RAW_RETENTION_DAYS", "30")
    with pytest.raises(SystemCheckError, match=r"telemetry\.E001"):
        call()


def test_it_balances_the_books_with_readings_that_were_dropped(
    queue: BatchQueue, connection: Connection, fleet: None
) -> None:
    messages = [make_message(at=f"2026-11-0{day}T00:00:00Z") for day in (1, 2)]
    store(connection, *messages)
    refresh_aggregates(connection)
    later = datetime(2026, 11, 2, 12, tzinfo=UTC) + 440 * DAY
    assert apply_retention(connection, options=make_options(), now=later).readings == 1
    assert read(connection, "SELECT count(*) FROM reading") == [(1,)]
    report = read_report(connection, queue, count_rows=True)
    assert (report.readings.stored, report.rows, report.rows_difference) == (2, 2, 0)


def test_it_measures_every_relation_from_the_catalogs(connection: Connection) -> None:
    site = register(connection, REGISTER)
    put_ages(connection, site, 20, 10, 1)
    refresh_aggregates(connection)
    sizes = {size.name: size for size in read_sizes(connection)}
    readings = sizes["reading"]
    assert (readings.rows, readings.chunks, readings.ratio) == (3, 3, None)
    assert (readings.oldest, readings.newest) == (NOW - 20 * DAY, NOW - DAY)
    assert readings.bytes_a_row == round(readings.total_bytes / 3)
    assert readings.table_bytes > 0
    assert readings.index_bytes > 0
    assert (sizes["hourly_aggregate"].rows, sizes["daily_aggregate"].rows) == (3, 3)
    assert sizes["daily_aggregate"].newest == date(2026, 11, 24)
    assert sizes["hourly_aggregate"].oldest == datetime(2026, 11, 5, 2, tzinfo=UTC)
    assert sizes["monthly_total"].rows == 1
    plan = plan_retention(connection, options=make_options(raw=0), now=NOW)
    assert (plan.raw, plan.aggregates_before, plan.compress) == ([], None, [])
