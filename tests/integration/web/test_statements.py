"""Statements: page, print, file and API show the same, and a month's is the month."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import openpyxl
import pytest
from django.utils import timezone

from telemetry.accounts.tokens import issue_token
from telemetry.core.consumption import Meter, Value
from telemetry.core.numbers import write_number
from telemetry.models import Account, Device, Edit, Finding, User, VirtualMeter, VirtualPart
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from telemetry.store.virtual_meters.months import read_virtual_months
from tests.consumption import Replacement, Site, put, read, register, replace_register
from tests.integration.api.conftest import ALL_SCOPES
from tests.integration.web.site import sign_in

pytestmark = pytest.mark.integration

ZONE = "America/Sao_Paulo"  # three hours behind UTC
MONTH = datetime(2026, 9, 1, 3, tzinfo=UTC)
END = datetime(2026, 10, 1, 3, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def sites(connection: Connection) -> list[Site]:
    """A register whose meter was changed on the 10th, one read every ten days, a delta, a gauge,
    and a device that moved away."""
    first = register(connection, Meter("cumulative"), zone=ZONE, is_spread=True)
    meters = (Meter("cumulative", factor=Decimal(40)), Meter("delta"), Meter("gauge"))
    found = [first, *(register(connection, meter, beside=first) for meter in meters)]
    moved = register(connection, Meter("delta"), beside=first)
    change = Replacement(MONTH + 9 * DAY, Decimal(100), Decimal(0))
    readings = [(first, Value(MONTH, Decimal(10))), (first, Value(END, Decimal(50)))]
    readings += [
        (found[1], Value(MONTH + number * 10 * DAY + DAY / 2, Decimal(number)))
        for number in range(4)
    ]
    readings += [(site, Value(MONTH + DAY, Decimal(7))) for site in (*found[2:], moved)]
    put(connection, readings)
    replace_register(connection, first, change)
    refresh_aggregates(connection)
    other = Account.objects.create(name="Other", time_zone="UTC")
    connection.execute(
        "UPDATE gateway SET account_id = %s WHERE id = %s", [other.pk, moved.gateway_id]
    )
    connection.execute(
        "UPDATE device SET code = 'D0' || id WHERE account_id = %s", [first.account_id]
    )
    return [*found, moved]


def test_it_is_the_same_everywhere_and_over_a_month_the_month(
    connection: Connection, sites: list[Site]
) -> None:
    account_id, user = sites[0].account_id, User.objects.create_user("editor")
    at = MONTH + DAY
    Edit.objects.create(
        account_id=account_id, device_id=sites[2].device_id, kind="substitute", value=7, since=at,
        until=at, reason="ten times", state="applied", requested_by=user, readings_count=1,
    )  # fmt: skip
    Finding.objects.create(
        account_id=account_id, device_id=sites[0].device_id, rule="silent", since=at, until=END
    )
    close_month(account_id, month=MONTH.date(), user_id=None, now=timezone.now())
    found = show(sites[0], "since=2026-09-01&until=2026-10-01")
    months = read(
        connection,
        "SELECT device_id, total, estimated FROM monthly_total WHERE account_id = %s"
        " AND month = '2026-09-01' AND total IS NOT NULL ORDER BY 1",
        account_id,
    )
    by_device = {of["device_id"]: of for of in found["devices"]}
    assert [(device, Decimal(by_device[device]["total"]), Decimal(by_device[device]["estimated"]))
        for device, *_ in months] == months  # fmt: skip
    assert len(months) == len(found["devices"]) == 4  # the gauge has none
    changed, factor, delta, moved = (by_device[sites[number].device_id] for number in (0, 1, 2, 4))
    registers = [
        (of["value"], of["at"], of["source"])
        for part in changed["parts"] for of in (part["opening"], part["closing"])
    ]  # fmt: skip
    assert registers == [
        ("10", "2026-09-01T03:00:00Z", "measured"), ("100", "2026-09-10T03:00:00Z", "entered"),
        ("0", "2026-09-10T03:00:00Z", "entered"), ("50", "2026-10-01T03:00:00Z", "measured"),
    ]  # fmt: skip
    assert (changed["total"], changed["estimated"]) == ("140", "0")
    [part] = factor["parts"]
    assert (part["opening"]["value"], part["opening"]["at"]) == ("0", "2026-09-01T15:00:00Z")
    assert (part["closing"]["value"], part["closing"]["source"]) == ("2.95", "interpolated")
    assert (part["total"], part["estimated"]) == ("118", "38")
    assert (delta["total"], delta["parts"][0]["opening"], moved["label"]) == (
        "7", None, f"#{sites[4].device_id}",
    )  # fmt: skip
    assert found["totals"] == [{"unit": "", "devices_count": 4, "total": "272", "estimated": "38"}]
    assert found["closed_months"] == ["2026-09-01"]
    assert found["edit_ids"] == list(Edit.objects.values_list("pk", flat=True))
    assert found["finding_ids"] == list(Finding.objects.values_list("pk", flat=True))


def test_adjacent_ones_add_up_and_choose_devices(connection: Connection, sites: list[Site]) -> None:
    Device.objects.filter(pk__in=[sites[0].device_id, sites[2].device_id]).update(group="A1")
    ends = ["2026-09-01", "2026-09-05T10:30:15", "2026-09-11T15:00:00Z", "2026-10-01"]
    totals = [
        Decimal(show(sites[0], f"group=A1&since={since}&until={until}")["totals"][0]["total"])
        for since, until in [*pairwise(ends), (ends[0], ends[-1])]
    ]
    assert (sum(totals[:-1]), totals[-1]) == (147, 147)
    one = show(sites[0], f"device={sites[0].device_id}&since=2026-09-01&until=2026-09-06")
    [part] = one["devices"][0]["parts"]
    assert (part["closing"]["value"], part["total"], part["estimated"]) == ("60", "50", "50")


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        ("since=2026-09-02&until=2026-09-02", "until", "is not after the start"),
        ("until=2199-01-01", "until", "is yet to come"),
        ("since=2000-01-01&until=2026-09-01", "since", "at most 1860 days"),
        ("since=x", "since", "Enter a valid date/time"),
        ("device=77777", "device", "Select a valid choice"),
    ],
)
def test_it_says_what_is_wrong(connection: Connection, query: str, field: str, text: str) -> None:
    client = sign_in(Account.objects.create(name="A"))
    account = Account.objects.get()
    answer = client.get(f"/accounts/{account.pk}/statements/?{query}")
    assert (answer.status_code, text in answer.content.decode()) == (400, True)
    for page in ("print/", "statement.csv", "statement.xlsx"):
        answer = client.get(f"/accounts/{account.pk}/statements/{page}?{query}")
        assert answer.status_code == 400
        assert answer.content.decode().startswith(f"The address is wrong: {field}: ")


def write_cell(value: Any) -> str:
    return "" if value is None else write_number(Decimal(str(value)))


def test_it_is_of_a_virtual_meter_too(connection: Connection, sites: list[Site]) -> None:
    account_id = sites[0].account_id
    meter = VirtualMeter.objects.create(account_id=account_id, code="V1", name="Common area")
    for site, sign in ((sites[0], 1), (sites[1], -1), (sites[2], -1)):
        VirtualPart.objects.create(meter=meter, device_id=site.device_id, sign=sign)
    query = f"since=2026-09-01&until=2026-10-01&virtual={meter.pk}"
    found = show(sites[0], query)
    assert {of["device_id"] for of in found["devices"]} == {one.device_id for one in sites[:3]}
    assert found["virtual"] == {
        "id": meter.pk, "label": "V1 Common area", "unit": "", "total": str(140 - 118 - 7),
        "added": "140", "subtracted": "125", "estimated": "38",
    }  # fmt: skip
    [month] = read_virtual_months(account_id, first=MONTH.date(), until=MONTH.date() + DAY)
    assert str(month.sum.total.normalize()) == found["virtual"]["total"]
    # Of another account there is none.
    other = Account.objects.create(name="Third")
    VirtualMeter.objects.create(account=other, code="V9")
    client = sign_in(other)
    page = f"/accounts/{other.pk}/statements/?{query}"
    assert "expected" not in client.get(page).content.decode()
    assert client.get(page).status_code == 400


def show(site: Site, query: str) -> Any:
    """The API's answer, once all forms are alike."""
    account = Account.objects.get(pk=site.account_id)
    client = sign_in(account)
    base = f"/accounts/{account.pk}/statements"
    page, printed = (
        client.get(f"{base}/{path}?{query}").content.decode() for path in ("", "print/")
    )
    file = b"".join(client.get(f"{base}/statement.csv?{query}"))  # type: ignore[arg-type]
    rows = list(csv.reader(io.StringIO(file.decode("utf-8-sig"))))[1:]
    _token, text = issue_token(User.objects.latest("pk"), name="t", scopes=ALL_SCOPES)
    address = f"/api/v1{base}?{_as_api(query)}"
    answer = client.get(address, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200, answer.content
    found = answer.json()
    parts = [(of, part) for of in found["devices"] for part in of["parts"]]
    expected = [
        [
            of["label"], *((part[end] or {"value": ""})["value"] for end in ("opening", "closing")),
            part["total"], part["estimated"],
        ]
        for of, part in parts
    ]  # fmt: skip
    if of := found["virtual"]:
        expected.append([of["label"], "", "", of["total"], of["estimated"]])
        assert all(of["label"] in html for html in (page, printed))
    assert [[row[0], row[5], row[8], row[11], row[13]] for row in rows] == expected
    book = b"".join(client.get(f"{base}/statement.xlsx?{query}"))  # type: ignore[arg-type]
    sheet = openpyxl.load_workbook(io.BytesIO(book)).worksheets[0]
    lines = list(sheet.iter_rows(values_only=True))[1:]
    assert [
        [row[0], *(write_cell(row[column]) for column in (5, 8, 11, 13))] for row in lines
    ] == expected
    local = [datetime.fromisoformat(row[3]).replace(tzinfo=None) for row in rows]
    assert [row[3] for row in lines] == local
    for html in (page, printed):
        assert ZONE in html
        for of, part in parts:
            assert all(text in html for text in (of["label"], f">{part['total']}<"))
        for edit in Edit.objects.filter(pk__in=found["edit_ids"]):
            assert edit.reason in html
    return found


def _as_api(query: str) -> str:
    """The same parameters: instants with an offset, a device's id."""
    pairs = dict(pair.split("=") for pair in query.split("&"))
    for name in ("since", "until"):
        value = pairs[name] + ("" if "T" in pairs[name] else "T00:00:00")
        pairs[name] = value if value.endswith("Z") else f"{value}-03:00"
    names = {"device": "device_id", "virtual": "virtual_meter_id"}
    return "&".join(f"{names.get(name, name)}={pairs[name]}" for name in pairs)
