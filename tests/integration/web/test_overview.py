"""The overview of an account: what it shows, to whom, and what its live parts answer."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.db import connection as django_connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from telemetry.core.consumption import Meter
from telemetry.models import Alarm, Finding
from telemetry.store.db.connection import Connection
from tests.consumption import Site, register
from tests.integration.web.metered import add_devices, device_of, open_account, receive, refresh

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
HOSTILE = "</script><script>alert(1)</script>"


def page_of(site: Site, client: Client, query: str = "", *, status: int = 200) -> str:
    reply = client.get(f"/accounts/{site.account_id}/{query}")
    assert reply.status_code == status
    return reply.content.decode()


def chart_data_of(page: str) -> Any:
    [text] = re.findall(r'<script id="chart-data" type="application/json">(.*?)</script>', page)
    return json.loads(text)


def live_address(site: Site, part: str, query: str = "") -> str:
    return f"/accounts/{site.account_id}/live/{part}/{query}"


def test_it_says_what_to_do_when_there_is_nothing(connection: Connection) -> None:
    site, client = open_account(connection)
    page = page_of(site, client)
    assert "none yet" in page
    assert "Values appear within a minute of the first reading" in page
    assert "A reading appears here seconds after a gateway published it" in page
    assert "No alarm is open" in page
    connection.execute("DELETE FROM installation")
    connection.execute("DELETE FROM device")
    assert "This account has no devices yet" in page_of(site, client)


def test_it_shows_one_reading_everywhere(connection: Connection) -> None:
    site, client = open_account(connection)
    now = timezone.now()
    receive(connection, (site, now, "1234.5"))
    page = page_of(site, client)
    assert page.count("1,234.5") >= 4
    chart_data = chart_data_of(page)
    [line] = chart_data["series"]
    assert [value for value in line["values"] if value is not None] == ["1234.5"]
    assert line["name"] in page
    assert len(line["values"]) == len(chart_data["at"]) == len(chart_data["labels"])
    assert "Meter" in chart_data["summary"]
    assert chart_data["summary"].count("kWh") == 1


def test_it_shows_gaps_as_gaps_and_every_digit(connection: Connection) -> None:
    site, client = open_account(connection, zone="Asia/Kolkata")
    hour = timezone.now().replace(minute=1, second=0, microsecond=0)
    receive(
        connection,
        (site, hour - 5 * HOUR, "99999999999.9999"),
        (site, hour - 4 * HOUR, "0.0001"),
        (site, hour - 2 * HOUR, "7"),
    )
    values = chart_data_of(page_of(site, client, "?period=24h"))["series"][0]["values"]
    assert values[-6:] == ["99999999999.9999", "0.0001", None, "7", None, None]
    assert "99,999,999,999.9999" in page_of(site, client, "?period=24h")


def test_it_shows_consumption_and_levels_each_by_unit(connection: Connection) -> None:
    site, client = open_account(connection)
    level = register(connection, Meter("gauge"), beside=site)
    connection.execute("UPDATE device SET unit = '°C' WHERE id = %s", [level.device_id])
    at = timezone.now().replace(minute=30) - HOUR  # both of one hour, at any time of the day
    receive(connection, (site, at, 5), (level, at, 20), (level, at - HOUR / 60, 22))
    assert chart_data_of(page_of(site, client))["show"] == "consumption"
    page = page_of(site, client, "?show=level:°C")
    chart_data = chart_data_of(page)
    assert (chart_data["show"], chart_data["unit"]) == ("level", "°C")
    [[mean, low, high]] = [
        [next(v for v in line[key] if v is not None) for key in ("values", "low", "high")]
        for line in chart_data["series"]
    ]
    assert (mean, low, high) == ("21", "20", "22")
    refused = page_of(site, client, "?show=level:bar", status=400)
    assert "None of these devices measures that." in refused


def test_it_draws_six_devices_and_the_rest_of_them(connection: Connection) -> None:
    site, client = open_account(connection)
    others = [register(connection, Meter("delta"), beside=site) for _ in range(13)]
    connection.execute("UPDATE device SET unit = 'kWh'")
    now = timezone.now()
    sites = [*others, site]
    receive(connection, *((one, now - HOUR, 100 - place) for place, one in enumerate(sites)))
    for query in ("", "?period=7d", "?period=24h"):
        page = page_of(site, client, query)
        chart_data = chart_data_of(page)
        assert len(chart_data["series"]) == 7, query
        rest = chart_data["series"][-1]
        assert rest["name"] == chart_data["other"] == "8 other devices"
        shown = [value for value in rest["values"] if value is not None]
        assert shown == [str(sum(100 - place for place in range(6, 14)))], query
        assert "All 14 devices that measure it" in page
        below = page[page.index('<table class="comparison">') :]
        assert "1,309" in below[below.index("<tfoot>") :][:300], query
    chosen = page_of(site, client, f"?device={site.device_id}&device={others[0].device_id}")
    assert len(chart_data_of(chosen)["series"]) == 2


def test_it_says_how_many_devices_have_values_and_up_to_when(connection: Connection) -> None:
    site, client = open_account(connection)
    others = [register(connection, Meter("delta"), beside=site) for _ in range(2)]
    connection.execute("UPDATE device SET unit = 'kWh'")
    now = timezone.now()
    earlier = (now - timedelta(days=40)).replace(day=15)
    with_values, times = (site, others[0]), (earlier, now - HOUR)
    receive(connection, *((one, at, 2) for one in with_values for at in times))
    page = page_of(site, client, "?period=7d")
    assert "2 of the 3 devices that measure it have values" in page
    assert "Total until now" in page
    page = page_of(site, client, f"?period=month&month={earlier:%Y-%m}")
    assert "<tfoot>" in page
    assert "Total until now" not in page


def test_it_draws_no_rest_of_more_hours_than_it_may_read(connection: Connection) -> None:
    site, client = open_account(connection)
    add_devices(site.account_id, count=130)
    connection.execute(
        "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)"
        " SELECT now() - interval '1 hour', now(), account_id, gateway_id, id, 1, 'kWh'"
        " FROM device WHERE account_id = %s",
        [site.account_id],
    )
    connection.execute(
        "INSERT INTO dirty_hour (hour, device_ids) SELECT"
        " date_trunc('hour', now() - interval '1 hour' - interval '1 microsecond'),"
        " array_agg(id) FROM device"
    )
    refresh(connection)
    days, hours = page_of(site, client), page_of(site, client, "?period=7d")
    assert len(chart_data_of(days)["series"]) == 7
    assert "125 other devices" in days
    assert len(chart_data_of(hours)["series"]) == 6
    assert "6 of 131 devices: those that consumed most" in hours
    for by in ("group", "band"):
        assert "100 of 131 devices: those that consumed most" in page_of(
            site, client, f"?period=7d&by={by}"
        )


def test_it_parts_bars_by_group_and_says_what_is_missing(connection: Connection) -> None:
    site, client = open_account(connection, zone="UTC")
    register_beside, water = (
        register(connection, Meter(kind), beside=site) for kind in ("cumulative", "delta")
    )
    connection.execute("UPDATE device SET unit = 'kWh'")
    for one, group in ((site, "Hall <3>"), (register_beside, "Hall <3>"), (water, "")):
        connection.execute('UPDATE device SET "group" = %s WHERE id = %s', [group, one.device_id])
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    begun = min((today - timedelta(days=20)).day, 28)  # a month that has days
    connection.execute(
        "UPDATE account SET billing_day = %s WHERE id = %s", [begun, site.account_id]
    )
    days = [today - timedelta(days=number) for number in range(1, 61)]
    silent = days[40:50]
    receive(connection, *((site, day + HOUR, 2) for day in days if day not in silent))
    receive(connection, *((register_beside, day + HOUR, 1_000 - 3 * n)
        for n, day in enumerate(days)), (water, days[0] + HOUR, 4))  # fmt: skip
    page = page_of(site, client, "?by=group&period=30d")
    assert [one["name"] for one in chart_data_of(page)["series"]] == [
        "Hall <3>", "Without a group",
    ]  # fmt: skip
    below = page[page.index('<table class="comparison">') :]
    for words in ("Hall &lt;3&gt;", "period=30d&amp;group=Hall+%3C3%3E", "2 devices",
        "readings missing", "same dates, other weekdays"):  # fmt: skip
        assert words in below, words
    assert 'aria-current="true">By group' in page
    assert "by=group" in page[page.index('class="segments steps"') :][:400]
    by_device = page_of(site, client, "?period=30d")
    assert by_device.count("readings missing</small>") == 2  # of the delta, and of all together
    assert "Not complete" in page  # the register has estimates on no day, the delta has gaps


def test_it_names_devices_that_are_not_as_usual(connection: Connection) -> None:
    site, client = open_account(connection, zone="UTC")
    steady = register(connection, Meter("delta"), beside=site)
    connection.execute("UPDATE device SET unit = 'kWh', name = 'Meter ' || id")
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=number) for number in range(1, 36)]
    receive(
        connection,
        *((site, day + HOUR, 13 if n < 7 else 10) for n, day in enumerate(days)),
        *((steady, day + HOUR, 10) for day in days),
    )
    page = page_of(site, client)
    changes = page[page.index('data-part="changes"') : page.index('data-part="latest"')]
    assert f"Meter {site.device_id}" in changes
    assert f"Meter {steady.device_id}" not in changes
    assert "30% more" in changes
    assert ">+<span" in changes
    assert ">21.0<small>" in changes


def test_it_filters_by_gateway_and_kind_and_keeps_the_choice(connection: Connection) -> None:
    site, client = open_account(connection)
    other = register(connection, Meter("delta"), beside=site)
    connection.execute("UPDATE device SET unit = 'kWh'")
    connection.execute("UPDATE device SET kind = 'meter' WHERE id = %s", [other.device_id])
    now = timezone.now()
    receive(connection, (site, now, 5), (other, now, 6))
    for query in (f"?gateway={other.gateway_id}", "?kind=meter"):
        page = page_of(site, client, f"{query}&period=24h")
        [line] = chart_data_of(page)["series"]
        assert line["name"].endswith(f"{device_of(other).gateway.code}/D")
        latest = page[page.index('data-part="latest"') :]
        assert f"/devices/{other.device_id}/" in latest
        assert f"/devices/{site.device_id}/" not in latest
        assert query.lstrip("?") in page.replace("&amp;", "&")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?period=fortnight", "period"),
        ("?period=month&month=2026-99", "month"),
        ("?from=2026-13-45&to=2026-01-01", "from"),
        ("?from=2026-01-01&to=2025-01-01", "to"),
        ("?from=2001-01-01&to=2026-01-01", "to"),
        ("?device=x", "device"),
        ("?gateway=99999999999999999999999", "gateway"),
        ("?kind=%00", "kind"),
        ("?show=%F0%9F%92%A9", "show"),
        ("?by=moon", "by"),
    ],
)
def test_it_says_at_the_field_what_is_wrong_and_works_on(
    connection: Connection, query: str, field: str
) -> None:
    site, client = open_account(connection)
    receive(connection, (site, timezone.now(), 5))
    page = page_of(site, client, query, status=400)
    assert f'id="{field}-error"' in page
    assert len(chart_data_of(page)["series"]) == 1


def test_it_shows_nothing_of_another_account(connection: Connection) -> None:
    site, client = open_account(connection)
    foreign, _ = open_account(connection)
    receive(connection, (foreign, timezone.now(), "777.5"))
    device = device_of(foreign)
    connection.execute('UPDATE device SET "group" = %s WHERE id = %s', ["Secret", device.pk])
    of_device = f"device={foreign.device_id}"
    for query in (
        "", f"?{of_device}", f"?gateway={foreign.gateway_id}", "?by=group",
        "?group=Secret&by=group",
        f"?by=band&{of_device}", f"?by=band&period=7d&{of_device}", "?by=group&period=24h",
    ):  # fmt: skip
        page = page_of(site, client, query)
        for secret in ("777.5", device.name, device.gateway.code):
            assert secret not in page, query
        assert ("Secret" in page) == ("group=Secret" in query), query


def test_it_escapes_names(connection: Connection) -> None:
    site, client = open_account(connection)
    connection.execute("UPDATE device SET name = %s, unit = '<b>'", [HOSTILE])
    connection.execute("UPDATE gateway SET code = '<i>&'")
    receive(connection, (site, timezone.now(), 5))
    for address in ("", "live/state/", "live/aggregates/", f"devices/{site.device_id}/"):
        page = page_of(site, client, address)
        for raw in (HOSTILE, "<b>", "<i>&"):
            assert raw not in page, address
    assert chart_data_of(page_of(site, client))["series"][0]["name"].startswith(HOSTILE)


def test_it_has_no_inline_script_or_style(connection: Connection) -> None:
    site, client = open_account(connection)
    receive(connection, (site, timezone.now(), 5))
    for address in ("", f"devices/{site.device_id}/"):
        page = page_of(site, client, address)
        scripts = re.findall(r"<script(?![^>]*(?:src=|application/json))", page)
        assert scripts == re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []


def test_it_lists_open_alarms_newest_first(connection: Connection) -> None:
    site, client = open_account(connection)
    now = timezone.now()
    for kind, hours, closed in (("low", 5, None), ("high", 2, None), ("low", 9, now)):
        Alarm.objects.create(
            account_id=site.account_id, device_id=site.device_id, kind=kind, limit=3, value=9,
            opened_at=now - hours * HOUR, last_beyond_at=now, closed_at=closed,
        )  # fmt: skip
    page = page_of(site, client)
    alarms = page[page.index('data-part="alarms"') :]
    assert alarms.index("above the limit") < alarms.index("below the limit")
    assert alarms.count("limit 3") == 2
    assert 'data-announce="2 open alarms"' in page


def test_it_says_what_needs_attention_or_that_nothing_does(connection: Connection) -> None:
    site, client = open_account(connection)
    assert "1 gateway has never connected" in page_of(site, client)
    connection.execute("UPDATE gateway SET last_seen = now(), is_online = true")
    assert "Nothing needs attention." in page_of(site, client)
    connection.execute("UPDATE gateway SET is_online = false")
    now = timezone.now()
    connection.execute("UPDATE gateway SET last_seen = %s, name = 'Roof'", [now - 3 * HOUR])
    for hours, rule in ((2, "silent"), (1, "stuck")):
        Finding.objects.create(
            account_id=site.account_id,
            device_id=site.device_id,
            rule=rule,
            since=now - hours * HOUR,
        )  # fmt: skip
    connection.execute("UPDATE gateway SET firmware_version = '2'")  # another tag of the state
    state = client.get(live_address(site, "state")).content.decode()
    for words in (
        "1 gateway is silent", "Roof", "2 findings to decide", "Meter 1: stuck; Meter 1: silent."
    ):  # fmt: skip
        assert words in state, words


def test_it_answers_live_parts_only_when_something_changed(connection: Connection) -> None:
    site, client = open_account(connection)
    receive(connection, (site, timezone.now() - HOUR, 5))
    connection.execute("UPDATE gateway SET last_seen = now() - interval '2 minutes'")

    def ask(part: str, tag: str = "") -> Any:
        return client.get(live_address(site, part), headers={"If-None-Match": tag} if tag else {})

    tags = {part: ask(part).headers["ETag"] for part in ("state", "aggregates")}
    assert [ask(part, tag).status_code for part, tag in tags.items()] == [304, 304]
    assert ask("state", tags["state"]).content == b""
    receive(connection, (site, timezone.now(), "8.25"), refreshed=False)
    assert "8.25" in ask("state", tags["state"]).content.decode()
    assert ask("aggregates", tags["aggregates"]).status_code == 304
    refresh(connection)
    assert "13.25" in ask("aggregates", tags["aggregates"]).content.decode()
    client.logout()
    assert ask("state", tags["state"]).status_code == 302


def test_it_asks_one_question_more_than_the_gate_when_nothing_changed(
    connection: Connection,
) -> None:
    site, client = open_account(connection)
    page_of(site, client)
    tag = client.get(live_address(site, "aggregates")).headers["ETag"]
    with CaptureQueriesContext(django_connection) as queries:
        assert (
            client.get(live_address(site, "aggregates"), headers={"If-None-Match": tag}).status_code
            == 304
        )
    tables = [re.findall(r'FROM\s+"?(\w+)', query["sql"])[0] for query in queries]
    assert tables == ["user_session", "telemetry_user", "membership", "gateway"]


def test_it_tells_other_languages_apart(connection: Connection) -> None:
    site, client = open_account(connection)
    tag = client.get(live_address(site, "aggregates")).headers["ETag"]
    reply = client.get(
        live_address(site, "aggregates"), headers={"If-None-Match": tag, "Accept-Language": "pt-br"}
    )
    assert reply.status_code == 200


def test_it_asks_no_more_questions_of_a_thousand_devices_than_of_one(
    connection: Connection,
) -> None:
    small, small_client = open_account(connection)
    large, large_client = open_account(connection)
    add_devices(large.account_id, count=1_000, measurements=("delta", "cumulative", "gauge"))
    now = timezone.now()
    receive(connection, (small, now, 5), (large, now, 5))
    connection.execute(
        "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)"
        " SELECT now() - interval '1 second', now(), account_id, gateway_id, id, 5, 'kWh'"
        " FROM device WHERE account_id = %s AND code <> 'D'",
        [large.account_id],
    )
    connection.execute(
        "INSERT INTO dirty_hour (hour, device_ids)"
        " SELECT date_trunc('hour', now() - interval '1 second'), array_agg(id) FROM device"
    )
    refresh(connection)
    counts = []
    for site, client in ((small, small_client), (large, large_client)):
        page_of(site, client)
        with CaptureQueriesContext(django_connection) as queries:
            page = page_of(site, client)
        counts.append(len(queries))
        assert page.count("<tr") > 1
    assert max(counts) <= 24, counts  # five of them for the cards, which are kept for a minute


def test_it_weighs_less_than_200_kb_at_its_fullest(connection: Connection) -> None:
    import gzip

    site, client = open_account(connection)
    add_devices(site.account_id, count=1_000)
    connection.execute(
        "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)"
        " SELECT t, now(), account_id, gateway_id, id, (random() * 1000)::numeric(15, 4), 'kWh'"
        " FROM (SELECT * FROM device WHERE account_id = %s ORDER BY id LIMIT 20) d,"
        " generate_series(now() - interval '8 days', now(), '1 hour') AS t",
        [site.account_id],
    )
    connection.execute(
        "INSERT INTO dirty_hour (hour, device_ids)"
        " SELECT date_trunc('hour', time - interval '1 microsecond'),"
        " array_agg(DISTINCT device_id) FROM reading GROUP BY 1"
    )
    refresh(connection)
    reply = client.get(f"/accounts/{site.account_id}/", headers={"Accept-Encoding": "gzip"})
    assert reply.headers["Content-Encoding"] == "gzip"
    page = gzip.decompress(reply.content).decode()
    assert len(chart_data_of(page)["series"]) == 7
    files = set(re.findall(r'(?:src|href)="/static/([^"]+)"', page))
    modules = {str(path) for path in Path("telemetry/static/telemetry/js").glob("*.js")}
    weight = len(reply.content)
    for name in files:
        weight += len(gzip.compress(Path(finders.find(name)).read_bytes()))  # type: ignore[arg-type]
    weight += sum(len(gzip.compress(Path(name).read_bytes())) for name in modules)
    assert weight < 200_000
