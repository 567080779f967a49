"""Readings voided and substituted: what counts then, what a gateway may send again, undoing."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from telemetry.core.consumption import Meter, Value
from telemetry.edits.conflicts import take_value
from telemetry.edits.editing import (
    VOID,
    Change,
    approve_edit,
    reject_edit,
    request_edit,
    undo_edit,
)
from telemetry.models import Account, DeadLetter, Device, Edit, MonthAdjustment, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import MonthError, close_month
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.edits.apply import MOST_READINGS, EditError
from telemetry.store.operations.delivery_report import read_report
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import Site, expect_figures, put, read, read_figures, register
from tests.integration.store.ingest import rows, store
from tests.messages import make_message

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
END = 24 * 24  # hours to the 29th: the day but one is of the next month


def edit(
    site: Site, since: datetime, until: datetime | None = None, change: Change = VOID, **other: Any
) -> Edit:
    return request_edit(
        Account.objects.get(pk=other.pop("account_id", site.account_id)),
        device=Device.objects.get(pk=site.device_id),
        since=since,
        until=until or since,
        change=change,
        **{"reason": "a spike", "user": None, **other},
    )


def check(connection: Connection, site: Site, readings: list[Value]) -> None:
    """The aggregates are those of these readings, and the verification agrees."""
    refresh_aggregates(connection)
    assert read_figures(connection, site) == expect_figures(site, readings)
    verified = verify_aggregates(connection)
    assert (verified.differences, verified.waiting) == (0, 0), verified.examples


def values(*pairs: tuple[int, Any]) -> list[Value]:
    return [Value(NOON + hours * HOUR, Decimal(str(value))) for hours, value in pairs]


@pytest.mark.parametrize("measurement", ["delta", "cumulative", "gauge"])
def test_it_counts_a_substituted_value_and_the_received_one_again_when_undone(
    connection: Connection, measurement: str
) -> None:
    site = register(connection, Meter(measurement))  # type: ignore[arg-type]
    sent = values((0, 5), (1, 7000), (2, 9))
    put(connection, [(site, value) for value in sent])
    refresh_aggregates(connection)
    made = edit(site, NOON + HOUR, change=Change(value=Decimal(7)))
    assert (made.state, made.readings_count) == ("applied", 1)
    check(connection, site, values((0, 5), (1, 7), (2, 9)))
    undone = undo_edit(made, user=None, reason="it was right")
    assert undone.state == "undone"
    check(connection, site, sent)


@pytest.mark.parametrize("zone", ["UTC", "America/Sao_Paulo", "Asia/Kolkata"])
@pytest.mark.parametrize("measurement", ["delta", "cumulative", "gauge"])
def test_it_leaves_nothing_of_an_hour_day_or_month_whose_readings_are_voided(
    connection: Connection, measurement: str, zone: str
) -> None:
    meter = Meter(measurement)  # type: ignore[arg-type]
    site = register(connection, meter, zone=zone, is_spread=True)
    sent = values((END, 5), (END + 1, 6), (END + 24, 7), (END + 48, 8))
    put(connection, [(site, value) for value in sent])
    refresh_aggregates(connection)
    first = edit(site, sent[1].at)  # an hour
    check(connection, site, [sent[0], *sent[2:]])
    second = edit(site, sent[2].at)  # a day
    check(connection, site, [sent[0], sent[3]])
    third = edit(site, sent[3].at)  # a month
    check(connection, site, [sent[0]])
    fourth = edit(site, sent[0].at)  # everything
    check(connection, site, [])
    for made in (first, fourth, third, second):
        undo_edit(made, user=None, reason="it was right")
    check(connection, site, sent)


def test_it_multiplies_a_range_and_refuses_what_no_meter_could_show(
    connection: Connection,
) -> None:
    site = register(connection, Meter("cumulative", modulus=Decimal(100_000)))
    sent = values((0, 5000), (1, 6000), (2, "7000.5"), (3, 9), (4, 200_000))
    put(connection, [(site, value) for value in sent])
    edit(site, NOON, NOON + 2 * HOUR, Change(factor=Decimal("0.001")), reason="in litres")
    check(connection, site, values((0, 5), (1, 6), (2, "7.0005"), (3, 9), (4, 200_000)))
    Device.objects.update(kind="meter")
    for change, text in (
        (Change(value=Decimal(-1)), "is below zero"),
        (Change(value=Decimal(100_000)), "where the register rolls over"),
        (Change(value=Decimal(10) ** 11), "is too large"),
        (Change(factor=Decimal(0)), "expected more than 0"),
        (Change(factor=Decimal(999_999)), "makes a value of 10"),
    ):
        with pytest.raises(EditError, match=text):
            edit(site, NOON + 4 * HOUR, change=change)
    beside = "2026-11-05 12:00:00 UTC: 5.0000, 2026-11-05 13:00:00 UTC: 6.0000"
    text = rf"^A\d+ / G\d+ / D, 2026-11-05 12:30:00 UTC: no reading .*: {beside}$"
    with pytest.raises(EditError, match=text):
        edit(site, NOON + HOUR / 2)
    with pytest.raises(EditError, match="ends before it begins"):
        edit(site, NOON, NOON - HOUR)
    with pytest.raises(EditError, match="expected 1 to 500 characters"):
        edit(site, NOON, reason="  ")
    assert Edit.objects.count() == 1


def test_it_refuses_a_range_of_too_many_readings(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    put(connection, [(site, value) for value in values((0, 1))])
    connection.execute(
        "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)"
        " SELECT %s + n * interval '1 s', now(), %s, %s, %s, 1, '' FROM generate_series(1, %s) n",
        [NOON, site.account_id, site.gateway_id, site.device_id, MOST_READINGS],
    )
    with pytest.raises(EditError, match="more than 10000 readings: expected a shorter period"):
        edit(site, NOON, NOON + 10 * HOUR)
    # The statistics know an edit of one reading: this one must not be read whole for each reading.
    undo_edit(edit(site, NOON), user=None, reason="x")
    connection.execute("ANALYZE edited_reading")
    before = count_rows_read()
    made = edit(site, NOON + timedelta(seconds=1), NOON + 10 * HOUR)
    assert made.readings_count == MOST_READINGS
    assert count_rows_read() - before < 20 * MOST_READINGS
    check(connection, site, values((0, 1)))


def count_rows_read() -> int:
    """Rows of edits that Django's connection has looked at so far."""
    from django.db import connection as django

    with django.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables"
            " WHERE relname = 'edited_reading'"
        )
        return int(cursor.fetchone()[0])


def test_it_undoes_the_later_of_two_edits_first(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    put(connection, [(site, value) for value in values((0, 5), (1, 6))])
    first = edit(site, NOON, NOON + HOUR, Change(value=Decimal(1)))
    second = edit(site, NOON)
    third = edit(site, NOON, change=Change(value=Decimal(2)))  # brings back what was voided
    check(connection, site, values((0, 2), (1, 1)))
    with pytest.raises(EditError, match=f"edit {third.pk} changed the reading of 2026-11-05 12:00"):
        undo_edit(first, user=None, reason="x")
    undo_edit(third, user=None, reason="x")
    check(connection, site, values((1, 1)))
    current = "SELECT edit_id FROM edited_reading WHERE is_current ORDER BY time"
    assert read(connection, current) == [(second.pk,), (first.pk,)]
    undo_edit(second, user=None, reason="x")
    undo_edit(first, user=None, reason="x")
    check(connection, site, values((0, 5), (1, 6)))
    with pytest.raises(EditError, match="cannot be undone: undone"):
        undo_edit(first, user=None, reason="x")


def test_it_never_changes_what_a_device_measured_for_another_account(
    connection: Connection,
) -> None:
    site, other = register(connection, Meter("delta")), register(connection, Meter("delta"))
    put(connection, [(site, value) for value in values((0, 5), (2, 6))])
    connection.execute(
        "UPDATE reading SET account_id = %s WHERE time > %s", [other.account_id, NOON + HOUR]
    )
    edit(site, NOON, NOON + 5 * HOUR)
    assert read(connection, "SELECT value, account_id FROM reading") == [(6, other.account_id)]
    with pytest.raises(EditError, match="no reading counts there"):
        edit(site, NOON + 2 * HOUR)


def test_it_refuses_an_edit_where_hours_are_frozen(connection: Connection) -> None:
    site = register(connection, Meter("delta"), zone="America/Sao_Paulo")
    put(connection, [(site, value) for value in values((0, 5), (1, 6))])
    made = edit(site, NOON)
    connection.execute("INSERT INTO raw_horizon (dropped_before) VALUES ('2026-11-05 13:00Z')")
    text = "hours before 2026-11-05 10:00:00 America/Sao_Paulo are not computed again"
    with pytest.raises(EditError, match=text):
        edit(site, NOON + HOUR)
    with pytest.raises(EditError, match=text):
        undo_edit(made, user=None, reason="x")


@pytest.fixture
def demo(fleet: None) -> Site:
    """The device D01 of the contract's fleet, as a site."""
    device = Device.objects.get(gateway__mac="aa:bb:cc:dd:ee:ff", code="D01")
    account = device.account
    return Site(
        device.pk, account.pk, device.gateway_id, account.time_zone, account.billing_day,
        Meter("delta"),
    )  # fmt: skip


def test_it_takes_the_original_for_a_duplicate_and_another_value_for_a_conflict(
    connection: Connection, demo: Site, queue: Any
) -> None:
    at = ["2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z"]
    store(connection, make_message(valor=5, at=at[0]), make_message(valor=6, at=at[1]))
    voided = edit(demo, AT)
    edit(demo, AT + HOUR, change=Change(value=Decimal(60)))
    for valor, moment, duplicate in (
        (5, at[0], 1), (6, at[1], 1), (60, at[1], 1), (7, at[0], 0), (7, at[1], 0),
    ):  # fmt: skip
        counts = store(connection, make_message(valor=valor, at=moment))
        assert (counts.readings_stored, counts.readings_duplicate) == (0, duplicate), valor
    assert rows(connection, "SELECT time, value FROM reading") == [(AT + HOUR, 60)]
    details = rows(connection, "SELECT detail, device_code FROM dead_letter ORDER BY id")
    assert details == [
        ("2026-11-01T00:00:00+00:00 has 5.0000, the reading 7.0000", "D01"),
        ("2026-11-01T01:00:00+00:00 has 6.0000, the reading 7.0000", "D01"),
    ]
    # Beside new readings, and twice in one batch.
    counts = store(
        connection, make_message(valor=5, at=at[0]), make_message(valor=5, at=at[0]),
        make_message(valor=8, at="2026-11-01T02:00:00Z"),
    )  # fmt: skip
    assert (counts.readings_stored, counts.readings_duplicate) == (1, 2)
    report = read_report(connection, queue, count_rows=True)
    assert (report.readings.stored, report.rows, report.rows_difference) == (3, 3, 0)
    assert (report.voided, report.substituted) == (1, 1)
    undo_edit(voided, user=None, reason="x")
    report = read_report(connection, queue, count_rows=True)
    assert (report.rows_difference, report.voided) == (0, 0)
    assert rows(connection, "SELECT value FROM reading WHERE time = '2026-11-01Z'") == [(5,)]


def test_it_stores_no_reading_that_is_voided_while_it_comes_again(
    connection: Connection, demo: Site, database_url: str
) -> None:
    store(connection, make_message(valor=5))
    found: list[Any] = []

    def send() -> None:
        with open_connection(database_url, name="other", statement_timeout_s=20) as other:
            found.append(
                store(
                    other, make_message(valor=5), make_message(valor=6, at="2026-11-02T00:00:00Z")
                )
            )

    from django.db import transaction

    with transaction.atomic():
        edit(demo, AT)
        sender = threading.Thread(target=send)
        sender.start()
        wait_until_blocked(connection)
    sender.join()
    [counts] = found
    assert (counts.readings_stored, counts.readings_duplicate) == (1, 1)
    assert rows(connection, "SELECT value FROM reading") == [(6,)]


def wait_until_blocked(connection: Connection) -> None:
    """Until a session waits for another one's transaction."""
    for _ in range(1_000):
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_sleep(0.01) IS NOT NULL"
        if rows(connection, waiting) != [(0,)]:
            return
    raise AssertionError("nobody waited")


def test_it_says_in_a_closed_month_which_edit_changed_it(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    other = register(connection, Meter("delta"), beside=site)
    put(connection, [(one, value) for one in (site, other) for value in values((0, 5), (1, 6))])
    refresh_aggregates(connection)
    november = date(2026, 11, 1)
    closing: dict[str, Any] = {"month": november, "user_id": None, "now": NOON.replace(month=12)}
    close_month(site.account_id, **closing)
    made = edit(site, NOON)
    put(connection, [(other, value) for value in values((2, 7))])
    refresh_aggregates(connection)
    undo_edit(made, user=None, reason="x")
    refresh_aggregates(connection)
    lines = MonthAdjustment.objects.order_by("id").values_list(
        "device_id", "difference", "edit_ids"
    )
    assert sorted(lines) == [
        (site.device_id, -5, [made.pk]), (site.device_id, 5, [made.pk]), (other.device_id, 7, []),
    ]  # fmt: skip


def test_it_closes_no_month_while_an_edit_waits_for_the_refresh(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    put(connection, [(site, value) for value in values((0, 5), (1, 6))])
    refresh_aggregates(connection)
    edit(site, NOON)
    closing: dict[str, Any] = {"user_id": None, "now": NOON.replace(month=12)}
    with pytest.raises(MonthError, match="wait for the refresh"):
        close_month(site.account_id, month=date(2026, 11, 1), **closing)


def test_it_waits_for_another_admin_where_the_account_wants_two(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    sent = values((0, 5), (1, 6))
    put(connection, [(site, value) for value in sent])
    Account.objects.update(edits_need_approval=True)
    ana, rui = (User.objects.create_user(name) for name in ("ana", "rui"))
    made = edit(site, NOON, user=ana)
    assert made.state == "waiting"
    check(connection, site, sent)
    with pytest.raises(EditError, match="another admin must approve it"):
        approve_edit(made, user=ana)
    made = approve_edit(made, user=rui)
    assert (made.state, made.decided_by, made.readings_count) == ("applied", rui, 1)
    check(connection, site, sent[1:])
    assert undo_edit(made, user=rui, reason="x").state == "undo_waiting"
    with pytest.raises(EditError, match="another admin must approve it"):
        approve_edit(made, user=rui)
    check(connection, site, sent[1:])
    assert reject_edit(made, user=ana).state == "applied"
    undo_edit(made, user=rui, reason="x")
    made = approve_edit(made, user=ana)
    assert (made.state, made.undo_requested_by, made.undone_by) == ("undone", rui, ana)
    check(connection, site, sent)
    assert reject_edit(edit(site, NOON, user=ana), user=ana).state == "rejected"
    with pytest.raises(EditError, match="does not wait for approval: not approved"):
        approve_edit(Edit.objects.get(state="rejected"), user=rui)


def test_it_takes_the_value_of_a_conflict(connection: Connection, demo: Site) -> None:
    store(connection, make_message(valor=5))
    store(connection, make_message(valor=6))
    user = User.objects.create_user("ana")
    made = take_value(DeadLetter.objects.get(), user=user, reason="the second one is right")
    assert rows(connection, "SELECT value FROM reading") == [(6,)]
    assert (DeadLetter.objects.get().state, DeadLetter.objects.get().handled_by) == ("taken", user)
    with pytest.raises(EditError, match="was taken already"):
        take_value(DeadLetter.objects.get(), user=user, reason="again")
    assert store(connection, make_message(valor=6)).readings_duplicate == 1
    assert store(connection, make_message(valor=5)).readings_duplicate == 1
    undo_edit(made, user=user, reason="it was not")
    assert DeadLetter.objects.get().state == "pending"
    assert rows(connection, "SELECT value FROM reading") == [(5,)]
    DeadLetter.objects.update(reason="bad_value")
    with pytest.raises(EditError, match="Only of a conflict"):
        take_value(DeadLetter.objects.get(), user=user, reason="x")


@pytest.mark.parametrize("seed", range(6))
def test_it_comes_to_the_same_whatever_was_edited_and_undone_meanwhile(
    connection: Connection, seed: int, clear: Callable[[], None]
) -> None:
    draw = random.Random(seed)
    zone = draw.choice(["UTC", "America/Sao_Paulo", "Asia/Kolkata"])
    site = register(connection, Meter(draw.choice(["delta", "cumulative"])), zone=zone)
    start = NOON + END * HOUR
    sent = {start + draw.randrange(600) * HOUR / 2: Decimal(number) for number in range(1, 40)}
    stored: dict[datetime, Decimal] = {}
    history: list[tuple[Edit, dict[datetime, Decimal]]] = []
    for at, value in draw.sample(sorted(sent.items()), len(sent)):
        put(connection, [(site, Value(at, value))])
        stored[at] = value
        if draw.random() < 0.3:
            refresh_aggregates(connection)
        if draw.random() < 0.3:
            chosen = draw.choice(sorted(stored))
            new = draw.choice([None, Decimal(draw.randrange(50))])
            try:
                made = edit(site, chosen, change=Change(value=new))
            except EditError:  # voided already
                continue
            history.append((made, {chosen: new}))  # type: ignore[dict-item]
        elif history and draw.random() < 0.3:
            made, changed = history[-1]
            undo_edit(made, user=None, reason="x")
            history.pop()
    for _made, changed in history:
        stored.update(changed)
    check(
        connection,
        site,
        [Value(at, value) for at, value in sorted(stored.items()) if value is not None],
    )
