"""A closed month is the same for ever: in the report, its files, on paper and in the API."""

import io
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.test import Client
from django.urls import reverse

from telemetry.core.consumption import Meter, Value
from telemetry.edits.editing import VOID, request_edit
from telemetry.installations.changing import KEPT, MeterChange, change_meter
from telemetry.models import Account, ClosedLine, Device, Gateway, Membership, MonthAdjustment, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import (
    MonthError,
    close_month,
    read_fingerprint,
    reopen_month,
)
from telemetry.store.billing.monthly_report import Grouping
from telemetry.store.db.connection import Connection
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import Site, put, register

pytestmark = pytest.mark.integration

SEPTEMBER, OCTOBER, NOVEMBER = (date(2026, month, 1) for month in (9, 10, 11))
FIRST = datetime(2026, 9, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CLOSED = "first=2026-09-01&last=2026-09-01"


@pytest.fixture
def sites(connection: Connection) -> list[Site]:
    """Three devices of an account with readings in September, October and November."""
    first = register(connection, Meter("delta"))
    sites = [first, register(connection, Meter("cumulative"), beside=first),
             register(connection, Meter("delta"), beside=first)]  # fmt: skip
    for number, site in enumerate(sites):
        Device.objects.filter(pk=site.device_id).update(
            unit="kWh", name=f"Flat {number}", group="East" if number else "West"
        )
        put(
            connection,
            [(site, Value(FIRST + days * DAY, Decimal(10 + days))) for days in range(80)],
        )
    refresh_aggregates(connection)
    return sites


@pytest.fixture
def client(sites: list[Site]) -> Client:
    user = User.objects.create_user("ana")
    Membership.objects.create(user=user, account_id=sites[0].account_id, role="admin")
    client = Client()
    client.force_login(user)
    return client


def close(site: Site, month: date, **options: Any) -> int:
    now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    return close_month(site.account_id, month=month, user_id=None, now=now, **options)


def read_everything(client: Client, account_id: int) -> dict[str, Any]:
    """The closed month in every form."""
    found: dict[str, Any] = {}
    for grouping in Grouping:
        query = f"?{CLOSED}&lines={grouping}"
        page = reverse("reports", args=[account_id])
        found[f"csv {grouping}"] = b"".join(client.get(f"{page}consumption.csv{query}"))  # type: ignore[arg-type]
        xlsx = b"".join(client.get(f"{page}consumption.xlsx{query}"))  # type: ignore[arg-type]
        sheet = openpyxl.load_workbook(io.BytesIO(xlsx)).worksheets[0]
        found[f"xlsx {grouping}"] = list(sheet.iter_rows(values_only=True))
        printed = client.get(f"{page}print/{query}").content.decode()
        found[f"print {grouping}"] = printed[printed.index("<tbody>") : printed.index("</tbody>")]
        shown = client.get(f"{page}{query}").content.decode()
        found[f"page {grouping}"] = shown[shown.index("<tbody>") : shown.index("</tbody>")]
    api = f"/api/v1/accounts/{account_id}"
    days = "first=2026-09-01&until=2026-10-01"
    for path in (f"/months?{days}", f"/totals/months?{days}"):
        answer = client.get(f"{api}{path}")
        assert answer.status_code == 200, answer.content
        found[path] = answer.content
    return found


def change_much(connection: Connection, sites: list[Site]) -> None:
    """A thousand late readings, edits, changes of meters, new names, groups and codes."""
    draw = random.Random(7)
    late = {
        FIRST + timedelta(minutes=draw.randrange(29 * 24 * 60)): Decimal(draw.randrange(9))
        for _ in range(1_000)
    }
    late = {at: value for at, value in late.items() if (at - FIRST) % DAY}
    put(connection, [(sites[0], Value(at, value)) for at, value in late.items()])
    account = Account.objects.get(pk=sites[0].account_id)
    for site in sites:
        request_edit(
            account, device=Device.objects.get(pk=site.device_id), since=FIRST + 5 * DAY,
            until=FIRST + 6 * DAY, change=VOID, reason="a spike", user=None,
        )  # fmt: skip
    for site in sites:
        devices = Device.objects.filter(pk=site.device_id)
        devices.update(name="renamed", code="X", group="North", kind="meter")
        device = devices.get()
        same = {name: getattr(device, name) for name in KEPT}
        change = MeterChange(since=FIRST + 12 * DAY, factor=Decimal(3), **same)
        change_meter(device, change, user=None)
    Gateway.objects.update(name="renamed")
    refresh_aggregates(connection)


def test_it_is_the_same_in_every_form_whatever_comes_later(
    connection: Connection, sites: list[Site], client: Client
) -> None:
    account_id = sites[0].account_id
    assert close(sites[0], SEPTEMBER) == 3
    before = read_everything(client, account_id)
    change_much(connection, sites)
    new = register(connection, Meter("delta"), beside=sites[0])  # heard of in September only later
    put(connection, [(new, Value(FIRST, Decimal(3)))])
    refresh_aggregates(connection)
    assert read_everything(client, account_id) == before
    other = register(connection, Meter("delta"))
    Gateway.objects.filter(pk=sites[2].gateway_id).update(account_id=other.account_id)
    assert read_everything(client, account_id) == before
    lines = ClosedLine.objects.values_list("name", "code", "group", "unit", "gateway_name")
    assert set(lines) == {("Flat 0", "D", "West", "kWh", ""), ("Flat 1", "D", "East", "kWh", ""),
                          ("Flat 2", "D", "East", "kWh", "")}  # fmt: skip
    # Every difference is a line, and says which edit caused it.
    for site in (*sites, new):
        rows = connection.execute(
            "SELECT total - closed_total FROM monthly_total WHERE device_id = %s AND month = %s",
            [site.device_id, SEPTEMBER],
        ).fetchall()
        adjustments = MonthAdjustment.objects.filter(device_id=site.device_id, month=SEPTEMBER)
        assert sum(line.difference for line in adjustments) == rows[0][0]
    # Without two of its readings the register counts the same, but its meter changed, too.
    assert MonthAdjustment.objects.exclude(edit_ids=[]).count() == len(sites)
    verified = verify_aggregates(connection)
    assert verified.differences == 0, verified.examples


def test_it_settles_adjustments_with_the_next_month_that_is_closed(
    connection: Connection, sites: list[Site], client: Client
) -> None:
    account_id = sites[0].account_id
    close(sites[0], SEPTEMBER)
    change_much(connection, sites)
    total = sum(line.difference for line in MonthAdjustment.objects.all())
    page = f"{reverse('reports', args=[account_id])}consumption.csv?lines=account"

    def read_adjustments(month: str) -> Decimal:
        text = b"".join(client.get(f"{page}&first={month}&last={month}")).decode("utf-8-sig")  # type: ignore[arg-type]
        return sum((Decimal(line.split(",")[6]) for line in text.splitlines()[1:]), Decimal())

    months = ("2026-09-01", "2026-10-01", "2026-11-01")
    assert [read_adjustments(month) for month in months] == [0, total, 0]
    close(sites[0], OCTOBER)
    assert [read_adjustments(month) for month in months] == [0, total, 0]
    put(connection, [(sites[0], Value(FIRST + HOUR / 4, Decimal(5)))])
    refresh_aggregates(connection)
    assert [read_adjustments(month) for month in months] == [0, total, 5]
    close(sites[0], NOVEMBER)
    assert [read_adjustments(month) for month in months] == [0, total, 5]
    settled = MonthAdjustment.objects.order_by("pk").values_list("settled_in", flat=True)
    assert (settled[0], settled[len(settled) - 1]) == (OCTOBER, NOVEMBER)
    reopening: dict[str, Any] = {"user_id": None, "now": datetime.now(UTC)}
    with pytest.raises(MonthError, match="were billed with the month 2026-11-01: reopen that one"):
        reopen_month(account_id, month=SEPTEMBER, **reopening)
    reopen_month(account_id, month=NOVEMBER, **reopening)
    reopen_month(account_id, month=OCTOBER, **reopening)
    assert not MonthAdjustment.objects.exclude(settled_in=None).exists()
    reopen_month(account_id, month=SEPTEMBER, **reopening)
    assert not ClosedLine.objects.exists()
    assert not MonthAdjustment.objects.exists()


def test_it_bills_an_adjustment_of_a_device_that_has_nothing_in_the_later_month(
    connection: Connection, sites: list[Site], client: Client
) -> None:
    quiet = register(connection, Meter("delta"), beside=sites[0])
    put(connection, [(quiet, Value(FIRST, Decimal(3)))])
    refresh_aggregates(connection)
    close(sites[0], SEPTEMBER)
    put(connection, [(quiet, Value(FIRST + HOUR, Decimal(4)))])
    refresh_aggregates(connection)
    assert close(sites[0], OCTOBER) == 4
    line = ClosedLine.objects.get(device_id=quiet.device_id, month=OCTOBER)
    assert (line.total, line.readings_count) == (0, 0)


def test_it_closes_only_what_was_seen(connection: Connection, sites: list[Site]) -> None:
    seen = read_fingerprint(sites[0].account_id, month=SEPTEMBER)
    put(connection, [(sites[0], Value(FIRST + HOUR, Decimal(1)))])
    refresh_aggregates(connection)
    with pytest.raises(MonthError, match="have changed since you opened the page: look again"):
        close(sites[0], SEPTEMBER, fingerprint=seen)
    seen = read_fingerprint(sites[0].account_id, month=SEPTEMBER)
    assert close(sites[0], SEPTEMBER, fingerprint=seen) == 3
