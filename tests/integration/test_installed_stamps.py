"""Meters whose stamps name the beginning of an interval: stored, counted and found by its end."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.consumption import Meter
from telemetry.core.fleet_cache import Shift, place_stamp
from telemetry.edits.conflicts import find_conflict
from telemetry.installations.changing import KEPT, MeterChange, change_meter, undo_change
from telemetry.installations.stamps import find_instant
from telemetry.installations.texts import InstallationError
from telemetry.models import DeadLetter, Device, Installation
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import Site, read, register
from tests.integration.store.ingest import claimed
from tests.integration.store.ingest import store as store_messages
from tests.messages import make_message

QUARTER = timedelta(minutes=15)
BEFORE = datetime(2026, 8, 31, 20, tzinfo=UTC)


@given(
    st.lists(st.integers(-50, 50), min_size=2, max_size=5, unique=True).map(sorted),
    st.integers(1, 30), st.integers(-60, 60),
)  # fmt: skip
def test_a_stamp_leads_to_the_end_of_its_interval_within_its_meter(
    borders: list[int], interval: int, stamp: int
) -> None:
    shifts = [Shift(borders[0], borders[1], interval)]
    placed = place_stamp(stamp, shifts)
    if borders[0] < stamp <= borders[1]:
        assert placed == min(stamp + interval, borders[1])
    else:
        assert placed == stamp


def begin(site: Site, **changes: Any) -> Installation:
    """A meter from before the first reading on."""
    device = Device.objects.get(pk=site.device_id)
    kept = {name: getattr(device, name) for name in KEPT}
    change = MeterChange(**{**kept, "since": BEFORE, "stamp": "start", **changes})
    return change_meter(device, change, user=None)


def receive(connection: Connection, site: Site, **values: Any) -> Any:
    """Values by the day and the time of their stamp: `d31h2345`."""
    [(mac,)] = read(connection, "SELECT mac FROM gateway WHERE id = %s", site.gateway_id)
    messages = []
    for name, value in values.items():
        day, clock = int(name[1:3]), f"{name[4:6]}:{name[6:8]}"
        month = 8 if day > 15 else 9
        at = f"2026-{month:02}-{day:02}T{clock}:00Z"
        messages.append(make_message(mac=mac, code="D", valor=value, at=at))
    batch = claimed(received_at=datetime(2026, 9, 2, tzinfo=UTC))
    return store_messages(connection, *messages, batch=batch)


@pytest.mark.integration
def test_the_quarter_that_begins_before_midnight_is_the_old_months(connection: Connection) -> None:
    site = register(connection, Meter("delta", interval_s=900))
    begin(site)
    receive(connection, site, d31h2330=1, d31h2345=9, d01h0000=2)
    stored = "SELECT time, value FROM reading ORDER BY time"
    midnight = datetime(2026, 9, 1, tzinfo=UTC)
    assert read(connection, stored) == [
        (midnight - QUARTER, 1), (midnight, 9), (midnight + QUARTER, 2),
    ]  # fmt: skip
    # Sent again it is a duplicate; another value is a conflict, and may be taken instead.
    receive(connection, site, d31h2345=9)
    receive(connection, site, d31h2345=7)
    assert len(read(connection, stored)) == 3
    [letter] = DeadLetter.objects.filter(reason="conflicting_reading")
    assert find_conflict(letter).at == midnight
    refresh_aggregates(connection)
    assert read(connection, "SELECT month, total FROM monthly_total ORDER BY 1") == [
        (date(2026, 8, 1), 10), (date(2026, 9, 1), 2),
    ]  # fmt: skip
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)


@pytest.mark.integration
def test_other_devices_of_the_gateway_and_other_meters_keep_their_stamps(
    connection: Connection,
) -> None:
    site = register(connection, Meter("delta", interval_s=900))
    begin(site, since=datetime(2026, 8, 31, 22, 50, tzinfo=UTC))
    instants = {
        "2026-08-31T22:45:00Z": "2026-08-31T22:45:00Z",  # of the meter before
        "2026-08-31T22:50:00Z": "2026-08-31T22:50:00Z",  # its very last instant
        "2026-08-31T23:00:00Z": "2026-08-31T23:15:00Z",
    }
    for stamp, expected in instants.items():
        found = find_instant(site.device_id, datetime.fromisoformat(stamp))
        assert found == datetime.fromisoformat(expected)
    change = begin(site, since=datetime(2026, 8, 31, 23, 20, tzinfo=UTC), stamp="end")
    receive(connection, site, d31h2245=1, d31h2300=2, d31h2315=3, d31h2330=4)
    rows = read(connection, "SELECT time FROM reading ORDER BY time")
    assert [f"{time:%H:%M}" for (time,) in rows] == ["22:45", "23:15", "23:20", "23:30"]
    with pytest.raises(InstallationError, match="are stored by their stamps already, the last one"):
        undo_change(change, user=None)


@pytest.mark.integration
def test_what_stamps_name_is_told_before_the_first_reading(connection: Connection) -> None:
    site = register(connection, Meter("delta", interval_s=900))
    receive(connection, site, d31h2330=1)
    with pytest.raises(InstallationError, match="are stored by their stamps already, the last one"):
        begin(site)
    for changes, text in (
        ({"interval_s": None}, "expected a delta with an interval"),
        ({"measurement": "gauge"}, "expected a delta with an interval"),
    ):
        with pytest.raises(InstallationError, match=text):
            begin(site, **changes)
    for statement in (
        "UPDATE installation SET stamp = 'start'",
        "INSERT INTO installation (device_id, since, measurement, interval_s, stamp)"
        f" VALUES ({site.device_id}, '2026-08-31 23:00Z', 'delta', 900, 'start')",
    ):
        with (
            pytest.raises(Exception, match="told before the first reading"),
            connection.transaction(),
        ):
            connection.execute(statement)  # type: ignore[arg-type]
    begin(site, since=datetime(2026, 8, 31, 23, 30, tzinfo=UTC))
    with pytest.raises(DatabaseError), transaction.atomic():
        Installation.objects.filter(since=None).update(stamp="start")
    receive(connection, site, d31h2345=2)
    assert len(read(connection, "SELECT FROM reading")) == 2
