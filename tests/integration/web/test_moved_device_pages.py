"""Pages, files and API of a device that moved: each account sees its own time, and nothing else."""

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from telemetry.accounts.tokens import issue_token
from telemetry.assignments.moving import move_gateway
from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, Device, Gateway, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, register
from tests.integration.api.conftest import ALL_SCOPES
from tests.integration.web.site import sign_in

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)
FIRST = datetime(2026, 9, 1, tzinfo=UTC)
VALUES = {1: Decimal(3), 11: Decimal(50), 21: Decimal(700)}
"""Of each day from that day of September on, until the next one."""
NOW_CALLED = "Their own name"


@pytest.fixture
def site(connection: Connection) -> Site:
    """Thirty days of readings at noon in the account "Old"; three moves may be made of them."""
    site = register(connection, Meter("delta", interval_s=86_400), zone="America/Sao_Paulo")
    Account.objects.filter(pk=site.account_id).update(name="Old")
    readings = [
        Value(FIRST + (day - 0.5) * DAY, VALUES[max(one for one in VALUES if one <= day)])
        for day in range(1, 31)
    ]
    put(connection, [(site, reading) for reading in readings])
    refresh_aggregates(connection)
    return site


def move(connection: Connection, site: Site, *names: str) -> dict[str, Account]:
    """To one account after the other, every ten days; the last one calls things as it likes."""
    accounts = {"Old": Account.objects.get(name="Old")}
    for number, name in enumerate(names, 1):
        if name not in accounts:
            accounts[name] = Account.objects.create(name=name, time_zone="UTC", spreads_gaps=False)
        gateway = Gateway.objects.get(pk=site.gateway_id)
        move_gateway(gateway, accounts[name], since=FIRST + 10 * number * DAY)
    refresh_aggregates(connection)
    Gateway.objects.filter(pk=site.gateway_id).update(name=NOW_CALLED, location=NOW_CALLED)
    Device.objects.filter(pk=site.device_id).update(
        name=NOW_CALLED, group=NOW_CALLED, alarm_high=12345
    )
    return accounts


class Seen:
    """What a member of an account sees of the device."""

    def __init__(self, account: Account, device_id: int, *, role: str = "viewer") -> None:
        self.client = sign_in(account, role=role)
        self.base, self.device_id = f"/accounts/{account.pk}", device_id
        _, text = issue_token(User.objects.latest("pk"), name="x", scopes=ALL_SCOPES)
        self.api = Client(headers={"Authorization": f"Bearer {text}"})
        self.api_base = f"/api/v1/accounts/{account.pk}"

    def page(self, path: str = "", **query: Any) -> str:
        """A page of the device."""
        answer = self.client.get(f"{self.base}/devices/{self.device_id}/{path}", query, follow=True)
        assert answer.status_code == 200, path
        return str(answer.content.decode())

    def charted(self) -> list[str]:
        """The bars of September."""
        page = self.page(period="month", month="2026-09-01")
        found = re.search(r'<script id="chart-data"[^>]*>(.*?)</script>', page, re.DOTALL)
        assert found is not None
        series = json.loads(found[1])["series"]
        return [value for value in series[0]["values"] if value is not None] if series else []

    def items(self, path: str, **query: Any) -> list[Any]:
        """A list of the API: of the device, and the same of all devices."""
        named = self.api.get(f"{self.api_base}{path}", {"device_id": self.device_id, **query})
        whole = self.api.get(f"{self.api_base}{path}", query)
        assert named.status_code == 200, named.content
        assert named.json()["items"] == whole.json()["items"]
        return list(named.json()["items"])

    def export(self) -> list[str]:
        """The values of the file of readings."""
        query = {"device_id": self.device_id, "since": "2026-09-01T00:00:00Z",
                 "until": "2026-10-02T00:00:00Z", "format": "csv"}  # fmt: skip
        answer = self.api.get(f"{self.api_base}/readings/export", query)
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        return [row["value"] for row in csv.DictReader(io.StringIO(text))]

    def statement(self, form: str) -> str:
        """The statement of September as a page, on paper or as a file."""
        query = {"device": self.device_id, "since": "2026-09-01", "until": "2026-10-01"}
        answer = self.client.get(f"{self.base}/statements/{form}", query)
        assert answer.status_code == 200, answer.content
        return (answer.getvalue() if answer.streaming else answer.content).decode()


def check(seen: Seen, values: list[Decimal]) -> None:
    """All forms show these values, and no others."""
    texts, total = [str(value) for value in values], sum(values)
    assert [Decimal(one) for one in seen.charted()] == values
    readings = seen.page("readings/", until="2026-10-01T00:00:00Z")
    table = readings.partition("<tbody>")[2].partition("</tbody>")[0]
    assert table.count("<tr") == len(values), readings
    period = {"since": "2026-09-01T00:00:00Z", "until": "2026-10-02T00:00:00Z"}
    days = {"first": "2026-09-01", "until": "2026-10-02"}
    assert [one["value"] for one in seen.items("/readings", order="oldest", **period)] == texts
    assert [one["total"] for one in seen.items("/aggregates/hours", **period)] == texts
    assert [one["total"] for one in seen.items("/aggregates/days", **days)] == texts
    assert [one["total"] for one in seen.items("/months", **days)] == [str(total)]
    assert seen.export() == texts
    rows = csv.DictReader(io.StringIO(seen.statement("statement.csv").lstrip("\ufeff")))
    assert sum(Decimal(row["Consumption"]) for row in rows) == total
    for form in ("", "print/"):
        assert f">{total:,}" in seen.statement(form)


def test_it_shows_each_account_its_own_time_after_a_move(
    connection: Connection, site: Site
) -> None:
    accounts = move(connection, site, "New")
    old, new = (Seen(accounts[name], site.device_id) for name in ("Old", "New"))
    check(old, 10 * [VALUES[1]])
    check(new, 10 * [VALUES[11]] + 10 * [VALUES[21]])
    shown = old.page()
    assert "Its gateway left this account on" in shown
    assert "2026-09-10T21:00:00-03:00" in shown
    assert "(America/Sao_Paulo)" in shown
    assert "September 2026" in shown  # its last month here comes first
    shown = new.page()
    assert "Its gateway came to this account on" in shown
    assert "2026-09-11T00:00:00+00:00" in shown
    assert "left this account" not in shown


def test_it_shows_each_account_its_own_times_after_a_move_and_back(
    connection: Connection, site: Site
) -> None:
    accounts = move(connection, site, "New", "Old")
    old, new = (Seen(accounts[name], site.device_id) for name in ("Old", "New"))
    check(old, 10 * [VALUES[1]] + 10 * [VALUES[21]])
    check(new, 10 * [VALUES[11]])
    shown = old.page()
    assert "Its gateway came to this account on" in shown
    assert "It was here before, up to" in shown
    assert "left this account" not in shown
    shown = new.page()
    for text in ("came to this account on", "left this account on", "2026-09-11T00:00:00+00:00",
                 "2026-09-21T00:00:00+00:00"):  # fmt: skip
        assert text in shown


def test_it_shows_nothing_that_the_other_account_made_of_it(
    connection: Connection, site: Site
) -> None:
    accounts = move(connection, site, "New")
    old = Seen(accounts["Old"], site.device_id, role="admin")
    address = f"{old.base}/devices/{site.device_id}/"
    for path in ("", "readings/", "live/state/", "live/chart/"):
        shown = old.page(path)
        assert NOW_CALLED not in shown, path
        assert "12,345" not in shown, path
        assert f"#{site.device_id}" in shown or path.startswith("live"), path
    assert '<form method="post"' not in old.page().partition("<main")[2]
    assert old.client.post(f"{address}readings/", {}).status_code == 404
    for path in ("meter/", "edit/", "notes/", "report/"):
        assert old.client.get(address + path).status_code == 404, path
    assert old.api.get(f"{old.api_base}/devices/{site.device_id}").status_code == 404
    listed = old.client.get(f"{old.base}/devices/").content.decode()
    assert f'href="{address}"' in listed.partition("Moved to another account")[2]
    assert NOW_CALLED not in listed
    assert "Moved to another account" not in Seen(accounts["New"], 0).client.get(
        f"/accounts/{accounts['New'].pk}/devices/"
    ).content.decode()  # fmt: skip

    stranger = Seen(Account.objects.create(name="Stranger"), site.device_id)
    assert stranger.client.get(f"{stranger.base}/devices/{site.device_id}/").status_code == 404
    for path in ("readings", "aggregates/days", "months", "readings/export"):
        answer = stranger.api.get(f"{stranger.api_base}/{path}", {"device_id": site.device_id})
        assert answer.status_code == 404, path


def test_it_keeps_the_names_that_its_closed_months_have(connection: Connection, site: Site) -> None:
    Device.objects.filter(pk=site.device_id).update(name="Boiler")
    close_month(site.account_id, month=date(2026, 9, 1), user_id=None, now=timezone.now())
    accounts = move(connection, site, "New")
    shown = Seen(accounts["Old"], site.device_id).page()
    assert "Boiler" in shown
    assert NOW_CALLED not in shown
    assert "What was read in other times is another account" in shown
