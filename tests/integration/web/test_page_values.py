"""What pages show equals what the API says and what SQL says of the raw readings: for random
accounts, periods, zones, bands, comparisons, saved views and reports."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.consumption import Meter, Value, day_of, month_of, next_month
from telemetry.models import BandPeriod, Holiday, Membership, User
from telemetry.store.bands.month import read_calendar
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, read, register
from tests.integration.web.metered import refresh
from tests.random_cases import random_cases

pytestmark = pytest.mark.integration

ZONES = (
    "UTC", "America/Sao_Paulo", "America/New_York", "Europe/Lisbon", "Asia/Kolkata",
    "Asia/Kathmandu",
)  # fmt: skip
GROUPS = ("", "Hall 1", "Hall 2", "Offices")
DAYS_BACK = 70
# What each reading counted: itself, or how much the register rose. (Registers only grow here.)
COUNTED = """
SELECT device_id, time, CASE measurement WHEN 'delta' THEN value
    ELSE value - coalesce(lag(value) OVER (PARTITION BY device_id ORDER BY time), value) END
FROM reading JOIN device ON device.id = device_id
WHERE reading.account_id = %s
"""

minutes_ago = st.integers(0, DAYS_BACK * 96).map(lambda quarters: 15 * quarters)
amounts = st.integers(0, 10**7).map(lambda whole: Decimal(whole) / 10_000)
meters = st.tuples(
    st.sampled_from(["delta", "cumulative"]),
    st.sampled_from(GROUPS),
    st.dictionaries(minutes_ago, amounts, min_size=1, max_size=40),
)
times = st.integers(0, 47).map(lambda half: time(half // 2, half % 2 * 30))
bands = st.lists(
    st.tuples(st.sampled_from(["Peak", "Night", "Noon"]), times, times).filter(
        lambda band: band[1] < band[2]
    ),
    max_size=3,
)
periods = st.one_of(
    st.sampled_from([{"period": "month"}, {"period": "30d"}, {"period": "7d"}, {"period": "24h"}]),
    st.tuples(st.integers(0, 60), st.integers(0, 40)).map(
        lambda ends: {
            "period": "range",
            "from": (timezone.now() - timedelta(days=sum(ends))).date().isoformat(),
            "to": (timezone.now() - timedelta(days=ends[0])).date().isoformat(),
        }
    ),
)


class Account:
    """A random account, a member, and what SQL says was counted: by device and instant."""

    def __init__(self, connection: Connection, data: Any) -> None:
        self.now = timezone.now()
        self.zone = ZoneInfo(data.draw(st.sampled_from(ZONES)))
        billing_day = data.draw(st.integers(1, 31))
        self.billing_day = billing_day
        drawn = data.draw(st.lists(meters, min_size=1, max_size=8))
        self.sites: list[Site] = []
        self.groups: dict[int, str] = {}
        for kind, group, found in drawn:
            beside = self.sites[0] if self.sites else None
            site = register(
                connection, Meter(kind), zone=self.zone.key, billing_day=billing_day, beside=beside
            )
            connection.execute(
                "UPDATE device SET unit = 'kWh', name = %s, \"group\" = %s WHERE id = %s",
                [f"Meter {site.device_id}", group, site.device_id],
            )
            self.groups[site.device_id] = group
            self.sites.append(site)
            put(connection, [(site, value) for value in self._make_values(site, found)])
        self.id = self.sites[0].account_id
        for band, starts, ends in data.draw(bands):
            BandPeriod.objects.create(
                account_id=self.id, band=band, starts=starts, ends=ends,
                days=["weekday", "saturday"],
            )  # fmt: skip
        Holiday.objects.create(account_id=self.id, day=(self.now - timedelta(days=9)).date())
        refresh(connection)
        self.counted = [
            (device_id, at.astimezone(UTC), Decimal(amount))
            for device_id, at, amount in read(connection, COUNTED, self.id)
        ]
        user = User.objects.create_user(f"member-{self.id}", password=None)
        Membership.objects.create(user=user, account_id=self.id, role="owner")
        self.client = Client()
        self.client.force_login(user)

    def _make_values(self, site: Site, found: dict[int, Decimal]) -> list[Value]:
        ordered = sorted(found.items(), reverse=True)
        heights = sorted(found.values())
        return [
            Value(
                self.now - timedelta(minutes=minutes),
                heights[number] if site.meter.measurement == "cumulative" else amount,
            )
            for number, (minutes, amount) in enumerate(ordered)
        ]

    def day(self, at: datetime) -> date:
        """The local day of a reading, which counts in the time that ends with it."""
        return day_of(at - timedelta(microseconds=1), self.zone)

    def page(self, path: str = "", **query: Any) -> Any:
        reply = self.client.get(f"/accounts/{self.id}/{path}?{urlencode(query, doseq=True)}")
        assert reply.status_code == 200, (path, query)
        return reply

    def api(self, path: str, **query: Any) -> list[Any]:
        reply = self.client.get(f"/api/v1/accounts/{self.id}/{path}", query)
        assert reply.status_code == 200, reply.content
        body = reply.json()
        assert body["next"] is None
        return list(body["items"])


def chart_of(reply: Any) -> dict[str, Any]:
    text = reply.content.decode()
    [found] = re.findall(r'<script id="chart-data" type="application/json">(.*?)</script>', text)
    return dict(json.loads(found))


def slots_of(chart: dict[str, Any]) -> list[dict[str, Decimal]]:
    """What each slot of the chart has, by the name of the series."""
    return [
        {
            series["name"]: Decimal(series["values"][index])
            for series in chart["series"]
            if series["values"][index] is not None
        }
        for index in range(len(chart["at"]))
    ]


def expect_slots(account: Account, chart: dict[str, Any], name: Any) -> list[dict[str, Decimal]]:
    """The same by SQL; `name` gives the series of a device and an instant."""
    is_day = chart["resolution"] == "day"
    middles = [datetime.fromtimestamp(at / 1000, UTC) for at in chart["at"]]
    keys: list[Any] = [
        day_of(at, account.zone) if is_day else at.replace(minute=0, second=0, microsecond=0)
        for at in middles
    ]
    found: dict[Any, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for device_id, at, amount in account.counted:
        hour = (at - timedelta(microseconds=1)).replace(minute=0, second=0, microsecond=0)
        found[account.day(at) if is_day else hour][name(device_id, at)] += amount
    return [dict(found[key]) for key in keys]


def drop_zeros(slots: Sequence[dict[str, Decimal]]) -> list[dict[str, Decimal]]:
    return [{name: value for name, value in slot.items() if value} for slot in slots]


@random_cases(12)
@given(data=st.data())
def test_its_bars_are_what_sql_and_the_api_say(connection: Connection, data: Any) -> None:
    account = Account(connection, data)
    period = data.draw(periods)
    charts = {by: chart_of(account.page(by=by, **period)) for by in ("device", "group", "band")}

    told_apart = {series["name"] for series in charts["device"]["series"]}
    names = {site.device_id: f"Meter {site.device_id}" for site in account.sites}
    rest = charts["device"]["other"]

    def name_device(device_id: int, _at: datetime) -> str:
        shown = [name for name in told_apart if name.startswith(f"{names[device_id]} ")]
        return shown[0] if shown else rest

    def name_group(device_id: int, _at: datetime) -> str:
        return account.groups[device_id] or "Without a group"

    calendar = read_calendar(account.id)

    def name_band(_device_id: int, at: datetime) -> str:
        since = at - timedelta(microseconds=1)
        quarter = since.replace(minute=since.minute // 15 * 15, second=0, microsecond=0)
        return calendar.band_at(quarter.astimezone(account.zone)) or "Off-peak"

    for by, name in (("device", name_device), ("group", name_group), ("band", name_band)):
        shown = drop_zeros(slots_of(charts[by]))
        assert shown == drop_zeros(expect_slots(account, charts[by], name)), (by, period)

    if charts["group"]["resolution"] == "day" and charts["group"]["at"]:
        days = [
            day_of(datetime.fromtimestamp(at / 1000, UTC), account.zone)
            for at in charts["group"]["at"]
        ]
        of_api = {
            row["day"]: Decimal(row["total"])
            for row in account.api("totals/days", first=days[0], until=days[-1] + timedelta(days=1))
        }
        for day, slot in zip(days, slots_of(charts["group"]), strict=True):
            assert sum(slot.values(), Decimal()) == of_api.get(day.isoformat(), 0), (day, period)


@random_cases(8)
@given(data=st.data())
def test_its_bands_of_a_month_are_those_of_the_api(connection: Connection, data: Any) -> None:
    account = Account(connection, data)
    today = day_of(account.now, account.zone)
    month = month_of(today, account.billing_day)
    chart = chart_of(account.page(by="band", period="month", month=month.isoformat()))
    shown: dict[str, Decimal] = defaultdict(Decimal)
    for slot in slots_of(chart):
        for band, value in slot.items():
            shown[band] += value
    of_api: dict[str, Decimal] = defaultdict(Decimal)
    for row in account.api("bands", month=month, limit=100):
        for line in row["lines"]:
            of_api[line["band"] or "Off-peak"] += Decimal(line["total"])
    assert {band: total for band, total in shown.items() if total} == {
        band: total for band, total in of_api.items() if total
    }


@random_cases(8)
@given(data=st.data())
def test_its_reports_are_those_of_the_api(connection: Connection, data: Any) -> None:
    account = Account(connection, data)
    grouping = data.draw(st.sampled_from(["device", "group"]))
    context = account.page("reports/", lines=grouping).context
    pivot = context["pivot"]
    if pivot is None:  # one month alone
        return
    months = [column.month for column in pivot.months]
    lines = account.api(
        "report", by=grouping, first=months[0], until=months[-1] + timedelta(days=1)
    )
    of_api = {(line["key"], line["month"]): Decimal(line["billed_total"]) for line in lines}
    shown = {
        (line.key, month.isoformat()): value
        for line in pivot.lines
        for month, value in zip(months, line.values, strict=True)
        if value is not None
    }
    assert shown == of_api
    by_sql: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for device_id, at, amount in account.counted:
        month = month_of(account.day(at), account.billing_day)
        key = str(device_id) if grouping == "device" else account.groups[device_id]
        by_sql[key, month.isoformat()] += amount
    assert shown == {key: value for key, value in by_sql.items() if key[1] >= str(months[0])}
    for line in pivot.lines:
        assert line.total == sum((value or Decimal() for value in line.values), Decimal())
    [sums] = pivot.sums
    for index, total in enumerate(sums.values):
        assert total == sum((line.values[index] or Decimal() for line in pivot.lines), Decimal())


@random_cases(8)
@given(data=st.data())
def test_its_comparisons_and_cards_are_what_sql_says(connection: Connection, data: Any) -> None:
    account = Account(connection, data)
    site = data.draw(st.sampled_from(account.sites))
    today = day_of(account.now, account.zone)
    by_day: dict[tuple[int, date], Decimal] = defaultdict(Decimal)
    for device_id, at, amount in account.counted:
        by_day[device_id, account.day(at)] += amount

    def add_up(first: date, until: date, *devices: int) -> Decimal:
        days = (first + timedelta(days=n) for n in range((until - first).days))
        return sum((by_day[device, day] for day in days for device in devices), Decimal())

    compare_from = today - timedelta(days=data.draw(st.integers(31, 60)))
    context = account.page(
        f"devices/{site.device_id}/", period="30d", compare="from",
        compare_from=compare_from.isoformat(),
    ).context  # fmt: skip
    first = today - timedelta(days=29)
    assert (context["headline"].totals.total or 0) == add_up(
        first, today + timedelta(days=1), site.device_id
    )
    for beside in context["headline"].beside:
        until = compare_from + timedelta(days=29)  # whole days, as today is not over
        assert beside.totals.total == add_up(compare_from, until, site.device_id)

    group = data.draw(st.sampled_from(GROUPS[1:]))
    query = {"period": "month", "group": group, "by": "band"}
    saved = account.client.post(
        f"/accounts/{account.id}/views/?{urlencode(query)}", {"name": "Mine"}
    )
    assert saved.headers["Location"].endswith(urlencode(query))
    card = next(one["card"] for one in account.page().context if "card" in one)
    month = month_of(today, account.billing_day)
    devices = [device for device, name in account.groups.items() if name == group]
    end = next_month(month, account.billing_day)
    total = card.parts.total if card.parts else None
    assert (total or 0) == add_up(month, end, *devices)
