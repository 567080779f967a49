"""The page of a device: from single readings to months, what happened, what was rejected."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection as django_connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from telemetry.core.consumption import Meter
from telemetry.models import Alarm, AlarmRule, Finding, GatewayEvent, MonthAdjustment
from telemetry.store.db.connection import Connection
from tests.consumption import Replacement, Site, register, replace_register
from tests.integration.web.metered import device_of, open_account, receive, refresh

pytestmark = pytest.mark.integration

HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
NOON = datetime(2025, 11, 20, 12, tzinfo=UTC)


def open_page(site: Site, client: Client, *, status: int = 200, **query: Any) -> str:
    address = f"/accounts/{site.account_id}/devices/{site.device_id}/?{urlencode(query)}"
    reply = client.get(address)
    assert reply.status_code == status
    return reply.content.decode()


def chart_data_of(page: str) -> Any:
    [text] = re.findall(r'<script id="chart-data" type="application/json">(.*?)</script>', page)
    return json.loads(text)


def zoom(since: datetime, until: datetime) -> dict[str, str]:
    return {"period": "zoom", "since": since.isoformat(), "until": until.isoformat()}


def fill(connection: Connection, site: Site, *, seconds: int, count: int) -> None:
    """Readings one after another from noon on, refreshed."""
    connection.execute(
        "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)"
        " SELECT %s::timestamptz + n * make_interval(secs => %s), now(), %s, %s, %s, n %% 7, ''"
        " FROM generate_series(0, %s - 1) AS n",
        [NOON, seconds, site.account_id, site.gateway_id, site.device_id, count],
    )
    connection.execute(
        "INSERT INTO dirty_hour (hour, device_ids) SELECT DISTINCT"
        " date_trunc('hour', time - interval '1 microsecond'), ARRAY[device_id] FROM reading"
    )
    refresh(connection)


def test_it_says_what_to_do_without_a_reading(connection: Connection) -> None:
    site, client = open_account(connection)
    page = open_page(site, client)
    for words in (
        "never seen", "none yet", "No readings in this period",
        "No month has a reading", "Nothing happened yet", "No reading of this device was rejected",
    ):  # fmt: skip
        assert words in page, words
    assert chart_data_of(page)["series"] == []


@pytest.mark.parametrize("measurement", ["delta", "cumulative", "gauge"])
def test_it_shows_one_reading(connection: Connection, measurement: Any) -> None:
    site, client = open_account(connection, Meter(measurement))
    receive(connection, (site, timezone.now(), "1234.5"))
    for query in ({}, {"period": "24h"}, {"period": "30d"}, {"period": "month"}):
        page = open_page(site, client, **query)
        assert "1,234.5" in page
        assert len(chart_data_of(page)["series"]) == 1
        assert "online" in page


def test_it_goes_from_days_to_hours_to_single_readings(connection: Connection) -> None:
    site, client = open_account(connection, Meter("gauge", interval_s=600))
    fill(connection, site, seconds=600, count=6 * 24 * 12)
    for length, resolution, values in (
        (11 * DAY, "day", 12), (7 * DAY, "hour", 7 * 24), (DAY, "reading", 144),
        (HOUR, "reading", 6),
    ):  # fmt: skip
        chart_data = chart_data_of(open_page(site, client, **zoom(NOON, NOON + length)))
        found = [value for value in chart_data["series"][0]["values"] if value is not None]
        assert (chart_data["resolution"], len(found)) == (resolution, values)


def test_it_puts_many_readings_together_to_minutes_and_hours(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from telemetry.web.charts import chart

    site, client = open_account(connection, Meter("gauge", interval_s=2))
    fill(connection, site, seconds=2, count=7_200)
    chart_data = chart_data_of(open_page(site, client, **zoom(NOON, NOON + 4 * HOUR)))
    [line] = chart_data["series"]
    assert (chart_data["resolution"], len(line["values"])) == ("minute", 240)
    assert (line["low"][0], line["high"][0]) == ("0", "6")
    monkeypatch.setattr(chart, "MOST_COUNTED", 7_000)
    page = open_page(site, client, **zoom(NOON, NOON + 4 * HOUR))
    assert chart_data_of(page)["resolution"] == "hour"
    close = chart_data_of(open_page(site, client, **zoom(NOON, NOON + HOUR)))
    assert (close["resolution"], len(close["series"][0]["values"])) == ("reading", 1_800)


def test_it_shows_gaps_of_hours_and_of_single_readings(connection: Connection) -> None:
    site, client = open_account(connection, Meter("delta", interval_s=600))
    times = (5, 10, 20, 200, 210)
    receive(connection, *((site, NOON + minutes * MINUTE, minutes) for minutes in times))
    start = NOON.timestamp() * 1000
    raw = chart_data_of(open_page(site, client, **zoom(NOON - HOUR, NOON + 5 * HOUR)))
    assert raw["series"][0]["values"] == ["5", "10", "20", None, "200", "210"]
    assert raw["gaps"] == [[start + 20 * 60_000, start + 200 * 60_000]]
    hours = chart_data_of(open_page(site, client, **zoom(NOON - 2 * HOUR, NOON + 26 * HOUR)))
    values = hours["series"][0]["values"]
    assert values[:6] == [None, None, "35", None, None, "410"]
    assert hours["gaps"][:2] == [
        [start - 2 * 3_600_000, start], [start + 3_600_000, start + 3 * 3_600_000],
    ]  # fmt: skip
    assert "26 missing" in hours["summary"]


@pytest.mark.parametrize("measurement", ["delta", "cumulative"])
def test_it_shows_consumption_of_a_day_by_the_hour(
    connection: Connection, measurement: Any
) -> None:
    site, client = open_account(connection, Meter(measurement))
    receive(connection, *((site, NOON + n * 10 * MINUTE, 6 * n) for n in range(1, 13)))
    chart_data = chart_data_of(open_page(site, client, **zoom(NOON, NOON + DAY)))
    found = [value for value in chart_data["series"][0]["values"] if value is not None]
    of_hours = {"delta": ["126", "342"], "cumulative": ["30", "36"]}
    assert (chart_data["caption"], found) == ("kWh per hour", of_hours[measurement])
    near = chart_data_of(open_page(site, client, **zoom(NOON, NOON + 2 * HOUR)))
    assert near["resolution"] == ("reading" if measurement == "delta" else "hour")


def test_it_infers_the_interval_of_a_device_that_has_none(connection: Connection) -> None:
    site, client = open_account(connection, Meter("gauge"))
    minutes = (*range(0, 60, 15), *range(150, 240, 15))
    receive(connection, *((site, NOON + n * MINUTE, n) for n in minutes))
    start = NOON.timestamp() * 1000
    page = open_page(site, client, **zoom(NOON - HOUR, NOON + 5 * HOUR))
    assert chart_data_of(page)["gaps"] == [[start + 45 * 60_000, start + 150 * 60_000]]
    assert "about 900 seconds, as its readings show" in page


def test_it_shows_what_a_register_counted_and_the_register(connection: Connection) -> None:
    site, client = open_account(connection, Meter("cumulative"))
    receive(connection, (site, NOON + MINUTE, 100), (site, NOON + HOUR + MINUTE, 130))
    period = zoom(NOON, NOON + 30 * HOUR)
    shown = {
        show: chart_data_of(open_page(site, client, **period, show=show))["series"][0]["values"][:2]
        for show in ("consumption", "register")
    }
    assert shown == {"consumption": ["0", "30"], "register": ["100", "130"]}
    page = open_page(site, client, **period, show="level", status=400)
    assert "This device does not measure that." in page


def test_it_offers_the_way_to_other_periods(connection: Connection) -> None:
    site, client = open_account(connection, Meter("cumulative"))
    receive(connection, (site, NOON, 100))
    page = open_page(site, client, **{"from": "2025-11-01", "to": "2025-11-10", "show": "register"})
    steps = dict(re.findall(r'<a href="([^"]+)" data-step="(\w+)"', page))
    by_name = {name: href.replace("&amp;", "&") for href, name in steps.items()}
    assert set(by_name) == {"earlier", "later", "closer", "wider", "reset"}
    assert by_name["earlier"] == "?period=range&from=2025-10-22&to=2025-10-31&show=register"
    assert by_name["later"] == "?period=range&from=2025-11-11&to=2025-11-20&show=register"
    for href in by_name.values():
        assert (
            client.get(f"/accounts/{site.account_id}/devices/{site.device_id}/{href}").status_code
            == 200
        )
    closest = zoom(NOON, NOON + MINUTE)
    assert 'data-step="closer"' not in open_page(site, client, **closest)
    assert 'data-step="later"' not in open_page(site, client, period="24h")


def test_it_says_what_a_month_comes_to_how_that_changed_and_what_is_over_it(
    connection: Connection,
) -> None:
    site, client = open_account(connection, Meter("cumulative"))
    days = [datetime(2025, 9, 1, tzinfo=UTC) + number * DAY for number in range(61)]
    counted = [100 * number + (500 if number > 40 else 0) for number in range(61)]
    receive(connection, *((site, day, value) for day, value in zip(days, counted, strict=True)))
    replace_register(connection, site, Replacement(days[-1], Decimal(6_500), Decimal(0)))
    Finding.objects.create(
        account_id=site.account_id, device_id=site.device_id, rule="too_fast",
        since=days[40] + 12 * HOUR, until=days[40] + 13 * HOUR,
    )  # fmt: skip
    AlarmRule.objects.create(
        account_id=site.account_id, kind="day", device_id=site.device_id, limit="190.5"
    )
    refresh(connection)
    page = open_page(site, client, period="month", month="2025-10")
    headline = page[page.index('data-part="headline"') : page.index('data-part="key"')]
    assert "October 2025" in headline
    assert "3,500" in headline
    assert "17% more" in headline
    assert "than September 2025" in headline
    chart_data = chart_data_of(page)
    assert chart_data["caption"] == "kWh per day"
    assert [text for _, text in chart_data["marks"]] == ["Meter replaced"]
    assert chart_data["suspect"] == [10]
    assert chart_data["limits"] == [["190.5", "Limit 190.5\u00a0kWh"]]
    assert chart_data["before"]["values"][0] == "100"
    assert len(chart_data["weekends"]) == 8
    assert '<tr role="row" aria-current="true">' in page
    assert "To decide" in page
    by_choice = {
        name: open_page(site, client, period="month", month="2025-10", **given)
        for name, given in (
            ("before", {"compare": "before"}),
            ("any", {"compare": "from", "compare_from": "2025-09-03"}),
        )
    }
    for name, words, total in (
        ("before", "than September 2025", "3,000"),
        ("any", "than 3 Sep \u2013 3 Oct 2025", "3,100"),
    ):
        headline = by_choice[name][by_choice[name].index('data-part="headline"') :][:1500]
        assert words in headline
        assert total in headline
    before = chart_data_of(by_choice["before"])["before"]
    assert (before["label"], set(before["values"])) == ("September 2025", {"100"})
    assert before["at"][0] == chart_data["at"][0]
    assert "compare=before" in by_choice["before"]  # and so do the links to other periods
    lonely = {"compare": "from", "compare_from": "2024-01-01"}
    assert "Too few readings of 1\u201331 Jan 2024" in open_page(site, client, period="month",
        month="2025-10", **lonely)  # fmt: skip
    assert "Choose one of the comparisons" in open_page(site, client, status=400, compare="x")


def test_it_lists_months_with_their_adjustments(connection: Connection) -> None:
    site, client = open_account(connection)
    receive(connection, (site, NOON, 10), (site, NOON - 40 * DAY, "7.5"))
    connection.execute(
        "INSERT INTO closed_month (account_id, month) VALUES (%s, '2025-10-01')", [site.account_id]
    )
    connection.execute("UPDATE monthly_total SET closed_total = 5 WHERE month = '2025-10-01'")
    for difference in ("3", "-0.5"):
        MonthAdjustment.objects.create(
            account_id=site.account_id, device_id=site.device_id, month="2025-10-01",
            difference=Decimal(difference),
        )  # fmt: skip
    page = open_page(site, client)
    october = page[page.index("October 2025") :]
    assert page.index("November 2025") < page.index("October 2025")
    assert "closed, adjusted since" in october
    assert "2 adjustments" in october
    assert october.index("+3\u00a0kWh") < october.index("-0.5\u00a0kWh")


def test_it_lists_what_happened_newest_first(connection: Connection) -> None:
    site, client = open_account(connection, Meter("cumulative"))
    receive(connection, (site, NOON - 10 * DAY, 10), (site, NOON, 20))
    replace_register(connection, site, Replacement(NOON - 3 * DAY, Decimal(15), Decimal(1)))
    for kind, days in (("offline", 2), ("online", 1), ("offline", 30)):
        GatewayEvent.objects.create(
            gateway_id=site.gateway_id, kind=kind, at=NOON - days * DAY, last_seen=NOON - days * DAY
        )
    Alarm.objects.create(
        account_id=site.account_id, device_id=site.device_id, kind="high", limit=3, value=9,
        opened_at=NOON - 4 * DAY, last_beyond_at=NOON, closed_at=NOON, ending="reading",
    )  # fmt: skip
    page = open_page(site, client)
    events = page[page.index('id="events-title"') : page.index('id="facts-title"')]
    order = ["is sending again", "stopped sending", "the old one stopped at 15", "Worst value 9"]
    places = [events.index(words) for words in order]
    assert places == sorted(places)
    assert events.count("stopped sending") == 1  # the older one is before the first day


def test_it_hides_what_happened_before_the_device_was_the_accounts(connection: Connection) -> None:
    site, _ = open_account(connection, Meter("cumulative"))
    receive(connection, (site, NOON - 10 * DAY, 10))
    replace_register(connection, site, Replacement(NOON - 9 * DAY, Decimal("15.125"), Decimal(1)))
    GatewayEvent.objects.create(gateway_id=site.gateway_id, kind="offline", at=NOON - 9 * DAY)
    heir, client = open_account(connection)
    connection.execute(
        "UPDATE gateway SET account_id = %s WHERE id = %s", [heir.account_id, site.gateway_id]
    )
    page = open_page(Site(site.device_id, heir.account_id, 0, "", 1, site.meter), client)
    assert "15.125" not in page
    assert "stopped sending" not in page
    assert "No month has a reading" in page


def test_it_shows_the_pending_dead_letters_of_this_device(connection: Connection) -> None:
    site, client = open_account(connection)
    other = register(connection, Meter("delta"), beside=site)
    for number, (of, code, state) in enumerate(
        (
            (site, "D", "pending"),
            (site, "E", "pending"),
            (other, "D", "pending"),
            (site, "D", "discarded"),
        )
    ):
        connection.execute(
            "INSERT INTO dead_letter (fingerprint, topic, payload, reason, detail, mac,"
            " device_code, gateway_id, account_id, first_seen, last_seen, state)"
            " VALUES (%s, 't', 'p', 'bad_value', %s, %s, %s, %s, %s, now(), now(), %s)",
            [bytes([number]), f"<detail {number}>", device_of(of).gateway.mac, code, of.gateway_id,
                of.account_id, state],
        )  # fmt: skip
    page = open_page(site, client)
    assert "&lt;detail 0&gt;" in page
    assert page.count("bad_value") == 1


def test_it_updates_single_readings_as_they_come_and_hours_with_the_refresh(
    connection: Connection,
) -> None:
    site, client = open_account(connection)
    receive(connection, (site, timezone.now() - HOUR, 5))
    connection.execute("UPDATE gateway SET last_seen = now() - interval '2 minutes'")
    path = f"/accounts/{site.account_id}/devices/{site.device_id}/live/chart/"

    def ask(query: str, tag: str) -> Any:
        return client.get(path + query, headers={"If-None-Match": tag} if tag else {})

    near = f"?{urlencode(zoom(timezone.now() - 4 * HOUR, timezone.now() + HOUR))}"
    tags = {query: ask(query, "").headers["ETag"] for query in ("", near)}
    receive(connection, (site, timezone.now(), "8.25"), refreshed=False)
    assert ask("", tags[""]).status_code == 304
    assert "8.25" in ask(near, tags[near]).content.decode()
    refresh(connection)
    assert ask("", tags[""]).status_code == 200
    state = client.get(path.replace("chart", "state")).content.decode()
    assert "8.25" in state


def test_it_asks_few_questions_of_a_device_of_many_readings(connection: Connection) -> None:
    site, client = open_account(connection, Meter("gauge", interval_s=2))
    fill(connection, site, seconds=2, count=100_000)
    for query in ({}, {"period": "month"}, zoom(NOON, NOON + 12 * HOUR)):
        open_page(site, client, **query)
        with CaptureQueriesContext(django_connection) as queries:
            page = open_page(site, client, **query)
        assert len(queries) <= 22  # one of them for the groups of the filter
        assert len(page) < 250_000
