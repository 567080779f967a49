"""Months in the admin: closed and reopened by those who may, with a question before."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from telemetry.core.consumption import Meter, Value
from telemetry.models import ClosedMonth, MonthEvent
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, read, register
from tests.integration.test_admin_pages import log_in

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("environ")]

LIST = "/admin/telemetry/monthlyconsumption/"
JANUARY = date(2026, 1, 1)


@pytest.fixture
def site(connection: Connection) -> Site:
    """A device of an account with consumption in January and in this month."""
    site = register(connection, Meter("delta"))
    now = datetime.now(UTC)
    put(
        connection,
        [
            (site, Value(datetime(2026, 1, 5, tzinfo=UTC), Decimal(5))),
            (site, Value(now, Decimal(2))),
        ],
    )
    refresh_aggregates(connection)
    return site


def press(client: Client, action: str, *keys: str, **fields: Any) -> Any:
    return client.post(
        LIST, {"action": action, "_selected_action": keys, **fields}, follow=True
    ).content.decode()


def test_it_asks_before_it_closes_and_names_who_did(connection: Connection, site: Site) -> None:
    client = log_in(is_superuser=True)
    key = f"{site.device_id}.2026-01-01.{site.account_id}"
    page = press(client, "close_months", key)
    assert "Close months: 1." in page
    assert "2026-01-01" in page
    assert not ClosedMonth.objects.exists()
    assert "Months closed: 1." in press(client, "close_months", key, confirmed="yes", note="paid")
    [closed] = ClosedMonth.objects.select_related("closed_by")
    assert (closed.month, closed.note) == (JANUARY, "paid")
    assert closed.closed_by is not None
    assert closed.closed_by.username == "somebody"
    assert client.get(f"{LIST}{key}/change/").status_code == 200
    assert "closed" in client.get(f"{LIST}?state__exact=closed").content.decode()
    assert "closed already" in press(client, "close_months", key, confirmed="yes")
    assert "Months reopened: 1." in press(client, "reopen_months", key, confirmed="yes")
    assert not ClosedMonth.objects.exists()
    assert MonthEvent.objects.count() == 2
    for name in ("closedmonth", "monthevent", "monthadjustment"):
        assert client.get(f"/admin/telemetry/{name}/").status_code == 200


def test_it_says_which_month_is_not_over(connection: Connection, site: Site) -> None:
    client = log_in(is_superuser=True)
    keys = [key for (key,) in read(connection, "SELECT id FROM monthly_consumption")]
    said = press(client, "close_months", *keys, confirmed="yes")
    assert "is not over" in said
    assert "Months closed: 1." in said
    assert ClosedMonth.objects.get().month == JANUARY


def test_it_closes_nothing_for_those_who_may_only_look(site: Site) -> None:
    client = log_in()
    user = get_user_model().objects.get(username="somebody")
    seen = ("view_monthlyconsumption", "see_every_account")
    user.user_permissions.add(*Permission.objects.filter(codename__in=seen))
    press(client, "close_months", f"{site.device_id}.2026-01-01.{site.account_id}", confirmed="yes")
    assert not ClosedMonth.objects.exists()


def test_it_lists_frozen_hours(connection: Connection, site: Site) -> None:
    client = log_in(is_superuser=True)
    connection.execute(
        "INSERT INTO frozen_hour (device_id, hour, dropped_before) VALUES (%s, %s, %s)",
        [site.device_id, datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)],
    )
    assert "2025" in client.get("/admin/telemetry/frozenhour/").content.decode()
