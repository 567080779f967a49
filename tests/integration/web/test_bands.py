"""Time-of-use bands and demand of a month: as the pure form says, on the page, in the file and in
the API; and what a closed month keeps."""

import csv
import io
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from msgspec.structs import replace

from telemetry.accounts.tokens import issue_token
from telemetry.core.bands import QUARTER, BandCalendar, find_demand, list_spans
from telemetry.core.consumption import Meter, Value, measure
from telemetry.models import Account, BandPeriod, Holiday, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.bands.month import read_band_month, read_calendar
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from tests.bands import check_bands
from tests.consumption import Replacement, Site, install, put, register, replace_register
from tests.integration.api.conftest import ALL_SCOPES
from tests.integration.web.site import sign_in

pytestmark = pytest.mark.integration

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
HOUR = timedelta(hours=1)


def last_month() -> date:
    """The first day of the calendar month before this one, where the account is: the page offers
    sixty months."""
    first = timezone.localdate(timezone=SAO_PAULO).replace(day=1)
    return (first - timedelta(days=1)).replace(day=1)


@pytest.fixture
def sites(connection: Connection) -> list[Site]:
    """A register and a delta every quarter of an hour in some days of the month, an hourly delta; a
    reading comes seconds after its quarter. Peak hours from half past to half past."""
    month = last_month()
    first = register(
        connection, Meter("cumulative", interval_s=900), zone="America/Sao_Paulo", is_spread=True
    )
    found = [first]
    for interval_s in (900, 3600):
        found.append(register(connection, Meter("delta", interval_s=interval_s), beside=first))
    start = datetime(month.year, month.month, 2, 12, tzinfo=UTC)
    for site in found:
        put(connection, [(site, value) for value in make_readings(site, start)])
    account = Account.objects.get(pk=first.account_id)
    for band, starts, ends in (("Ponta", "17:30", "20:30"), ("Intermediária", "16:30", "21:30")):
        BandPeriod.objects.create(
            account=account, band=band, days=["weekday", "saturday", "sunday"],
            starts=time.fromisoformat(starts), ends=time.fromisoformat(ends),
        )  # fmt: skip
    Holiday.objects.create(account=account, day=month.replace(day=3))
    refresh_aggregates(connection)
    return found


def make_readings(site: Site, start: datetime) -> list[Value]:
    """Two days, and a gap of half a day after the first one."""
    step = timedelta(seconds=site.meter.interval_s or 0)
    count = 2 * timedelta(days=1) // step
    found, height = [], Decimal(1000)
    for number in range(count):
        amount = Decimal(number * number % 37) / 10 + Decimal("0.0001")
        height += amount
        at = start + number * step + timedelta(seconds=number % 3)
        if not timedelta(hours=23) < at - start < timedelta(hours=31):
            is_delta = site.meter.measurement == "delta"
            found.append(Value(at, amount if is_delta else height))
    return found


def test_it_is_what_the_pure_form_says(connection: Connection, sites: list[Site]) -> None:
    month = last_month()
    start = datetime(month.year, month.month, 2, 12, tzinfo=UTC)
    lines = read_band_month(sites[0].account_id, month=month)
    assert [line.state for line in lines] == ["open"] * 3
    spans = list_spans(start, start + timedelta(days=3), read_calendar(sites[0].account_id),
        SAO_PAULO, cut=QUARTER)  # fmt: skip
    for site, of in zip(sites, lines, strict=True):
        assert {line.band for line in of.lines} == {"", "Ponta", "Intermediária"}
        assert sum(line.total for line in of.lines) == of.total
        readings = make_readings(site, start)
        check_bands(connection, site, readings)
        demands = find_demand(measure(readings, install(site.meter)), spans)
        expected = {band: (round(of.power, 4), of.since) for band, of in demands.items()}
        found = {line.band: (line.demand, line.demand_at) for line in of.lines}
        assert found == (
            expected if site.meter.interval_s == 900 else dict.fromkeys(found, (None, None))
        )


def test_it_adds_up_where_readings_of_an_hour_are_gone(
    connection: Connection, sites: list[Site]
) -> None:
    connection.execute("DELETE FROM reading")
    for of in read_band_month(sites[0].account_id, month=last_month()):
        assert sum(line.total for line in of.lines) == of.total


def test_page_file_and_api_show_the_same_and_a_closed_month_keeps_it(
    connection: Connection, sites: list[Site]
) -> None:
    before = show(sites[0])
    assert (
        close_month(sites[0].account_id, month=last_month(), user_id=None, now=timezone.now()) == 3
    )
    BandPeriod.objects.all().delete()
    month = last_month()
    late = datetime(month.year, month.month, 20, 21, 0, 1, tzinfo=UTC)
    put(connection, [(site, Value(late, Decimal(9000))) for site in sites])
    refresh_aggregates(connection)
    after = show(sites[0])
    assert [row[:-1] for row in before] == [row[:-1] for row in after]
    assert {row[-1] for row in after} == {"closed"}


def show(site: Site) -> list[Any]:
    """The lines of the file, once all forms are alike."""
    account, month = Account.objects.get(pk=site.account_id), last_month()
    client = sign_in(account)
    page = client.get(f"/accounts/{account.pk}/bands/?month={month}").content.decode()
    file = b"".join(client.get(f"/accounts/{account.pk}/bands/bands.csv?month={month}"))  # type: ignore[arg-type]
    rows = list(csv.reader(io.StringIO(file.decode("utf-8-sig"))))[1:]
    _token, text = issue_token(User.objects.latest("pk"), name="t", scopes=ALL_SCOPES)
    answer = client.get(
        f"/api/v1/accounts/{account.pk}/bands?month={month}",
        headers={"Authorization": f"Bearer {text}"},
    ).json()
    assert [
        [line["band"] or "Off-peak", line["total"], line["estimated"], line["demand"] or ""]
        for item in answer["items"]
        for line in item["lines"]
    ] == [[row[1], row[2], row[4], row[5]] for row in rows]
    paper = client.get(f"/accounts/{account.pk}/bands/print/?month={month}").content.decode()
    for row, html in product(rows, (page, paper)):
        assert all(f">{number}" in html.replace(",", "") for number in (row[2], row[5]) if number)
    book = b"".join(client.get(f"/accounts/{account.pk}/bands/bands.xlsx?month={month}"))  # type: ignore[arg-type]
    cells = list(openpyxl.load_workbook(io.BytesIO(book)).worksheets[0].values)
    assert str(SAO_PAULO) in str(cells[0][7])
    for row, line in zip(rows, cells[1:], strict=True):
        numbers = [str(Decimal(str(line[column] or 0))) for column in (2, 4, 5)]
        assert numbers == [row[2], row[4], row[5] or "0"]
        local = None if line[7] is None else line[7].replace(tzinfo=SAO_PAULO).isoformat()  # type: ignore[union-attr]
        assert (line[0], line[1], local or "", line[8]) == (row[0], row[1], row[7], row[8])
    return rows


def test_members_who_may_bill_enter_bands(connection: Connection) -> None:
    account = Account.objects.create(name="A", time_zone="America/Sao_Paulo")
    page = f"/accounts/{account.pk}/bands/periods/"
    fields = {"band": "Ponta", "days": ["weekday"], "starts": "18:00", "ends": "21:00"}
    viewer, admin = sign_in(account), sign_in(account, role="admin")
    assert viewer.post(page, fields).status_code == 403
    assert admin.post(page, fields | {"starts": "18:10"}).status_code == 400
    assert (
        "It ends before it begins" in admin.post(page, fields | {"ends": "17:00"}).content.decode()
    )
    assert (
        "A season has a first"
        in admin.post(page, fields | {"season_from": "10-15"}).content.decode()
    )
    assert admin.post(page, fields, follow=True).status_code == 200
    day = {"what": "holiday", "day": "2026-11-02", "name": "Finados"}
    assert "Finados is entered" in admin.post(page, day, follow=True).content.decode()
    assert "This day is a holiday already" in admin.post(page, day).content.decode()
    found = viewer.get(page).content.decode()
    assert ("America/Sao_Paulo" in found, "Ponta" in found, "Finados" in found) == (True,) * 3
    assert "csrf" not in found.partition("<main")[2]
    calendar = read_calendar(account.pk)
    assert ([one.band for one in calendar.periods], calendar.holidays) == (
        ["Ponta"], {date(2026, 11, 2)},
    )  # fmt: skip
    admin.post(f"{page}{BandPeriod.objects.get().pk}/delete/")
    admin.post(f"/accounts/{account.pk}/bands/holidays/{Holiday.objects.get().pk}/delete/")
    assert read_calendar(account.pk) == BandCalendar()


def test_it_rejects_what_is_no_period(connection: Connection) -> None:
    account = Account.objects.create(name="A")

    def check(**fields: Any) -> None:
        usual = {"band": "peak", "days": ["weekday"], "starts": time(18), "ends": time(21)}
        BandPeriod(account=account, **{**usual, **fields}).full_clean()

    check(ends=time(0), season_from="10-15", season_to="02-15")
    for wrong in (
        {"starts": time(18, 15)}, {"starts": time(22)}, {"days": ["noday"]},
        {"season_from": "10-15"}, {"season_from": "13-01", "season_to": "02-15"},
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            check(**wrong)


def test_a_demand_is_of_the_meter_of_that_month(connection: Connection, sites: list[Site]) -> None:
    """Today the first device sends each hour, and the third one each quarter of an hour."""
    before = read_band_month(sites[0].account_id, month=last_month())
    for site, interval_s in ((sites[0], 3600), (sites[2], 900)):
        change = Replacement(timezone.now(), meter=replace(site.meter, interval_s=interval_s))
        replace_register(connection, site, change)
    refresh_aggregates(connection)
    after = read_band_month(sites[0].account_id, month=last_month())
    demands = [[[line.demand for line in of.lines] for of in found] for found in (before, after)]
    assert demands[0] == demands[1]
    assert [any(of) for of in demands[1]] == [True, True, False]
