"""The pages of billing months: what is looked at before closing, closing, what comes later."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from telemetry.core.consumption import Meter, Value
from telemetry.edits.editing import VOID, request_edit
from telemetry.models import Account, ClosedMonth, Device, Membership, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, register

pytestmark = pytest.mark.integration

FIRST = datetime(2025, 9, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SEPTEMBER, OCTOBER = "2025-09-01", "2025-10-01"


@pytest.fixture
def sites(connection: Connection) -> list[Site]:
    """A device that sends daily through September and October 2025, and one that stops on the 20th
    of October; both count 10 a day."""
    first = register(connection, Meter("delta", interval_s=86_400), zone="America/Sao_Paulo")
    sites = [first, register(connection, Meter("cumulative", interval_s=86_400), beside=first)]
    Device.objects.update(unit="kWh", name="Flat")
    put(connection, [(sites[0], Value(FIRST + day * DAY, Decimal(10))) for day in range(61)])
    put(connection, [(sites[1], Value(FIRST + day * DAY, Decimal(10 * day))) for day in range(50)])
    refresh_aggregates(connection)
    return sites


def sign_in(sites: list[Site], role: str = "admin") -> Client:
    user = User.objects.create_user(f"ana-{role}", first_name="Ana", last_name="Reis")
    Membership.objects.create(user=user, account_id=sites[0].account_id, role=role)
    client = Client()
    client.force_login(user)
    return client


def read(client: Client, sites: list[Site], name: str = "month", month: str = OCTOBER) -> Any:
    keys = [sites[0].account_id] if name == "months" else [sites[0].account_id, month]
    return client.get(reverse(name, args=keys))


def test_it_shows_totals_beside_the_month_before_and_who_is_silent(sites: list[Site]) -> None:
    answer = read(sign_in(sites, "viewer"), sites)
    page = answer.content.decode()
    review = answer.context["review"]
    [of] = review.sums
    # The register counts from its first reading on: 290 in September.
    assert (of.unit, of.devices, of.total, of.before) == ("kWh", 2, 510, 590)
    assert "-13.6" in page
    assert [row.line.device_id for row in review.silent] == [sites[1].device_id]
    assert "1 of 2 to look at" in page
    rows = {row.line.device_id: row.line for row in review.rows}
    register = rows[sites[1].device_id]
    assert (register.opening, register.closing, register.total) == (290, 490, 200)
    assert "Close" not in page
    assert [month.month for month in read(sign_in(sites), sites, "months").context["months"]] == [
        date(2025, 10, 1), date(2025, 9, 1),
    ]  # fmt: skip


def test_it_asks_says_what_closing_means_and_closes(
    connection: Connection, sites: list[Site]
) -> None:
    client = sign_in(sites)
    asked = read(client, sites, "close-month")
    page = asked.content.decode()
    assert "What closing means" in page
    assert "1 device was silent" in page
    assert not ClosedMonth.objects.exists()
    fingerprint = asked.context["form"].initial["fingerprint"]
    address = reverse("close-month", args=[sites[0].account_id, OCTOBER])
    answer = client.post(address, {"fingerprint": fingerprint, "note": "bill 7"}, follow=True)
    page = answer.content.decode()
    assert "The month is closed. Devices: 2." in page
    assert "October 2025 is closed." in page
    assert "bill 7" in page
    assert "Ana Reis" in page
    again = client.post(address, {"fingerprint": fingerprint}, follow=True).content.decode()
    assert "This month is closed already." in again
    request_edit(
        Account.objects.get(), device=Device.objects.get(pk=sites[0].device_id),
        since=FIRST + 40 * DAY, until=FIRST + 40 * DAY, change=VOID, reason="a spike", user=None,
    )  # fmt: skip
    refresh_aggregates(connection)
    page = read(client, sites).content.decode()
    assert "a spike" in page
    assert "-10\u00a0kWh" in page
    assert "not yet" in page
    november = read(client, sites, month="2025-11-01").content.decode()
    assert "to be billed with this one" in november


def test_it_closes_nothing_when_the_totals_moved_since_they_were_shown(
    connection: Connection, sites: list[Site]
) -> None:
    client = sign_in(sites)
    seen = read(client, sites, "close-month").context["form"].initial["fingerprint"]
    put(connection, [(sites[0], Value(FIRST + 40 * DAY + DAY / 2, Decimal(5)))])
    refresh_aggregates(connection)
    address = reverse("close-month", args=[sites[0].account_id, OCTOBER])
    answer = client.post(address, {"fingerprint": seen, "note": "bill 7"})
    assert answer.status_code == 409
    assert "have changed since you opened the page: look again" in answer.content.decode()
    assert "bill 7" in answer.content.decode()
    assert not ClosedMonth.objects.exists()
    seen = answer.context["form"].initial["fingerprint"]
    client.post(address, {"fingerprint": seen})
    assert ClosedMonth.objects.exists()


def test_it_says_why_a_month_cannot_be_closed_yet(
    connection: Connection, sites: list[Site]
) -> None:
    client = sign_in(sites)
    put(connection, [(sites[0], Value(FIRST + 40 * DAY + DAY / 2, Decimal(5)))])
    page = read(client, sites).content.decode()
    assert "It cannot be closed yet:" in page
    assert "wait for the refresh" in page
    address = reverse("close-month", args=[sites[0].account_id, OCTOBER])
    assert client.post(address, {"fingerprint": "x"}).status_code == 400
    refresh_aggregates(connection)
    Account.objects.update(edits_need_approval=True)
    request_edit(
        Account.objects.get(), device=Device.objects.get(pk=sites[0].device_id),
        since=FIRST, until=FIRST, change=VOID, reason="a spike", user=None,
    )  # fmt: skip
    assert "approve or reject them first" in read(client, sites).content.decode()
    assert not ClosedMonth.objects.exists()


@pytest.mark.parametrize("month", ["2025-10-02", "x", "0001-01-01", "9999-12-01"])
def test_it_knows_no_page_of_a_day_on_which_no_month_begins(sites: list[Site], month: str) -> None:
    assert read(sign_in(sites), sites, month=month).status_code == 404


def test_it_needs_as_many_queries_for_many_devices(
    connection: Connection, sites: list[Site], django_assert_max_num_queries: Any
) -> None:
    for _ in range(6):
        site = register(connection, Meter("delta"), beside=sites[0])
        put(connection, [(site, Value(FIRST, Decimal(1)))])
    refresh_aggregates(connection)
    client = sign_in(sites)
    with django_assert_max_num_queries(20):
        read(client, sites)
