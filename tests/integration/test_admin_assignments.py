"""Moves of gateways in the admin: refused, previewed, entered, undone; months of both accounts."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, Assignment, Gateway
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import put, read, register
from tests.integration.test_admin_pages import log_in

pytestmark = pytest.mark.integration

FIRST = datetime(2026, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ADD = "/admin/telemetry/assignment/add/"


def read_months(connection: Connection) -> list[Any]:
    refresh_aggregates(connection)
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)
    return read(
        connection, "SELECT account_id, month, total FROM monthly_total"
        " WHERE readings_count > 0 ORDER BY account_id, month"
    )  # fmt: skip


def test_it_moves_what_was_stored_and_gives_it_back(connection: Connection) -> None:
    site = register(connection, Meter("delta"), is_spread=True)
    put(connection, [(site, Value(FIRST + number * DAY, Decimal(1))) for number in range(1, 45)])
    before = read_months(connection)
    old, september, october = site.account_id, date(2026, 9, 1), date(2026, 10, 1)
    assert before == [(old, september, 30), (old, october, 14)]
    close_month(old, month=september, user_id=None, now=timezone.now())
    new = Account.objects.create(name="New", time_zone="America/Sao_Paulo")
    gateway = Gateway.objects.get(pk=site.gateway_id)
    client = log_in(is_superuser=True)

    def send(**more: Any) -> Any:
        fields = {"gateway": gateway.pk, "account": new.pk, "since_0": "2026-09-21",
                  "since_1": "00:00:00", **more}  # fmt: skip
        return client.post(ADD, fields)

    for wrong, text in (
        ({"since_1": "00:30:00"}, "take 2026-09-21 00:00:00 (UTC)"),
        ({"since_0": "2999-01-01"}, "is yet to come"),
        ({"account": old}, "account&#x27;s already"),
    ):
        assert text in send(**wrong).content.decode()
    shown = send().content.decode()
    assert f"{gateway.account.name}, month from 2026-09-01: -10" in shown
    assert "closed: the difference becomes an adjustment" in shown
    assert "New, month from 2026-10-01: 13.875" in shown
    assert not Assignment.objects.exists()

    assert send(is_previewed="on").status_code == 302
    gateway.refresh_from_db()
    assert gateway.account == new
    # The new account's September ends three hours later, of 24 of the day between two readings.
    part = Decimal("0.125")
    after = [(old, september, 20), (new.pk, september, 10 + part), (new.pk, october, 14 - part)]
    assert read_months(connection) == after
    assert read(
        connection, "SELECT account_id, sum(difference) FROM month_adjustment GROUP BY 1"
    ) == [(old, -10)]
    assert read(connection, "SELECT account_id, count(*) FROM reading GROUP BY 1 ORDER BY 1") == [
        (old, 20), (new.pk, 24),
    ]  # fmt: skip
    assert "take a later instant" in send(account=old, is_previewed="on").content.decode()

    moved = Assignment.objects.get(since__isnull=False)
    assert client.get(f"/admin/telemetry/assignment/{moved.pk}/change/").status_code == 200
    pressed = {"action": "undo", "_selected_action": [moved.pk], "confirmed": "yes"}
    client.post("/admin/telemetry/assignment/", pressed)
    assert not Assignment.objects.filter(since__isnull=False).exists()
    assert read_months(connection) == before
    assert read(connection, "SELECT sum(difference) FROM month_adjustment") == [(0,)]
