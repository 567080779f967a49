"""A month through all that can come after it was closed: it stays byte for byte, in the report, its
files, on paper and in the API; every difference is a line that says why."""

import io
import random
import re
import zipfile
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from telemetry.assignments.moving import move_gateway
from telemetry.core.consumption import Meter, Value
from telemetry.edits.editing import VOID, Change, request_edit, undo_edit
from telemetry.installations.changing import KEPT, MeterChange, change_meter, undo_change
from telemetry.models import (
    Account,
    BandPeriod,
    ClosedLine,
    Device,
    Gateway,
    MonthAdjustment,
    VirtualMeter,
    VirtualPart,
)
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.billing.monthly_report import Grouping
from telemetry.store.db.connection import Connection
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import Site, put, read, register
from tests.integration.web.site import sign_in

pytestmark = pytest.mark.integration

ZONE = "America/Sao_Paulo"
SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
FIRST = datetime(2026, 9, 1, 3, tzinfo=UTC)  # the month begins in the account
NOW = datetime(2026, 11, 20, tzinfo=UTC)
HOUR, DAY, QUARTER = timedelta(hours=1), timedelta(days=1), timedelta(minutes=15)
METERS = (
    Meter("delta", interval_s=900),
    Meter("cumulative", interval_s=900),
    Meter("cumulative", interval_s=900, is_net=True, factor=Decimal("1.5")),
    Meter("gauge", interval_s=900),
    Meter("delta", interval_s=900),
    Meter("cumulative", interval_s=900),
)
CREATED = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d [-+A-Z0-9]+")  # when a file was made


@pytest.fixture
def sites(connection: Connection) -> list[Site]:
    """Devices of every kind, each behind a gateway of its own, from the end of August to the middle
    of October, with a gap; two bands, and a virtual meter."""
    draw = random.Random(18)
    found: list[Site] = []
    for number, meter in enumerate(METERS):
        site = register(
            connection, meter, zone=ZONE, is_spread=True, beside=found[0] if found else None
        )
        found.append(site)
        Device.objects.filter(pk=site.device_id).update(
            name=f"Flat {number}", group="East" if number % 2 else "West"
        )
        connection.execute("UPDATE installation SET unit = 'kWh' WHERE device_id = %s",
                           [site.device_id])  # fmt: skip
        height, values = Decimal(1000), []
        for step in range(45 * 24 * 2):
            at = FIRST - 2 * DAY + step * HOUR / 2
            amount = Decimal(draw.randrange(-3 if meter.is_net else 0, 50)) / 10
            height += amount
            values.append(Value(at, amount if meter.measurement == "delta" else height))
        gap = FIRST + 20 * DAY
        put(connection, [(site, one) for one in values if not gap < one.at < gap + 5 * HOUR])
    account = Account.objects.get(pk=found[0].account_id)
    every_day = ["weekday", "saturday", "sunday"]
    for band, starts, ends in (("Ponta", 17, 20), ("Intermediária", 16, 21)):
        BandPeriod.objects.create(
            account=account, band=band, days=every_day, starts=time(starts, 30), ends=time(ends, 30)
        )
    meter_ids = [site.device_id for site in found]
    common = VirtualMeter.objects.create(account=account, code="V1", name="Common", unit="kWh")
    for device_id, sign in ((meter_ids[0], 1), (meter_ids[4], -1)):
        VirtualPart.objects.create(meter=common, device_id=device_id, sign=sign)
    refresh_aggregates(connection)
    return found


def fetch(client: Client, address: str) -> bytes:
    """What an address answers."""
    answer: Any = client.get(address)
    content: bytes = b"".join(answer) if answer.streaming else answer.content
    assert answer.status_code == 200, content
    return content


def cut_page(page: bytes) -> bytes:
    """The sums and tables of a page, without what is around them."""
    return b"\n".join(re.findall(rb'<ul class="cards">.*?</ul>|<table.*?</table>', page, re.S))


def unpack(book: bytes) -> dict[str, bytes]:
    """The parts of an XLSX file, but when it was made."""
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        return {
            name: CREATED.sub(b"", parts.read(name))
            for name in parts.namelist()
            if name != "docProps/core.xml"
        }


def read_month(client: Client, account_id: int) -> dict[str, Any]:
    """September in every form, by its address."""
    found: dict[str, Any] = {}
    report, bands = (reverse(name, args=[account_id]) for name in ("reports", "bands"))
    month = "first=2026-09-01&last=2026-09-01"
    pages = [(report, f"?{month}&lines={one}") for one in Grouping]
    for base, query in [*pages, (bands, "?month=2026-09-01")]:
        files = "consumption" if base == report else "bands"
        found[f"{base}{query}"] = cut_page(fetch(client, f"{base}{query}"))
        found[f"print {base}{query}"] = cut_page(fetch(client, f"{base}print/{query}"))
        found[f"csv {base}{query}"] = fetch(client, f"{base}{files}.csv{query}")
        found[f"xlsx {base}{query}"] = unpack(fetch(client, f"{base}{files}.xlsx{query}"))
    virtual = reverse("virtual-meters-csv", args=[account_id])  # of the last months, open ones too
    found[virtual] = [line for line in fetch(client, virtual).splitlines() if b"2026-09-01" in line]
    assert len(found[virtual]) == 3
    days = "first=2026-09-01&until=2026-10-01"
    paths = [
        *("months", "totals/months", "virtual-meters/months"),
        *(f"report?by={one}" for one in Grouping),
    ]
    for path in paths:
        address = f"/api/v1/accounts/{account_id}/{path}{'&' if '?' in path else '?'}{days}"
        found[address] = fetch(client, address)
    address = f"/api/v1/accounts/{account_id}/bands?month=2026-09-01"
    found[address] = fetch(client, address)
    return found


def check_same(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Fail with the first places where a form of the month is another one."""
    assert before.keys() == now.keys()
    for address, content in before.items():
        pairs = zip(
            *(re.split(r"(?=<|\\n)", str(one)) for one in (content, now[address])), strict=False
        )
        changed = [pair for pair in pairs if pair[0] != pair[1]]
        assert content == now[address], f"{address}: {changed[:3]}"


def settle(connection: Connection) -> list[Any]:
    """Refresh, and take note of the lines that this made: device, difference, what caused them."""
    known = set(MonthAdjustment.objects.values_list("pk", flat=True))
    refresh_aggregates(connection)
    return list(MonthAdjustment.objects.exclude(pk__in=known).order_by("device_id"))


def test_a_closed_month_stays_and_every_difference_says_why(
    connection: Connection, sites: list[Site]
) -> None:
    account = Account.objects.get(pk=sites[0].account_id)
    ids = [site.device_id for site in sites]
    client = sign_in(account, role="admin")
    draw = random.Random(20_260_901)
    assert close_month(account.pk, month=SEPTEMBER, user_id=None, now=NOW) == len(sites)
    before = read_month(client, account.pk)
    assert len(before) == 4 * (len(Grouping) + 1) + 1 + 3 + len(Grouping) + 1
    billed = dict(ClosedLine.objects.values_list("device_id", "total"))

    # A thousand late readings of the month: deltas, and registers in a gap and beside readings.
    late: dict[tuple[int, datetime], Decimal] = {}
    while len(late) < 1_000:
        at = FIRST + timedelta(seconds=1 + 2 * draw.randrange(29 * 24 * 1800))
        late[draw.choice((0, 1, 4)), at] = Decimal(draw.randrange(2_000))
    put(connection, [(sites[n], Value(at, value)) for (n, at), value in late.items()])
    lines = settle(connection)
    assert {line.device_id for line in lines} == {ids[0], ids[1], ids[4]}
    assert all(line.causes == ["readings"] for line in lines)
    check_same(before, read_month(client, account.pk))

    # Edits: voided, substituted, undone.
    def edit(number: int, day: int, change: Change) -> Any:
        since = FIRST + day * DAY
        device = Device.objects.get(pk=ids[number])
        return request_edit(account, device=device, since=since, until=since + 2 * HOUR,
                            change=change, reason="a spike", user=None)  # fmt: skip

    made = [edit(0, 3, VOID), edit(2, 4, VOID), edit(4, 5, Change(value=Decimal(1)))]
    voided = {line.device_id: line.edit_ids for line in settle(connection)}
    assert voided.items() >= {ids[0]: [made[0].pk], ids[4]: [made[2].pk]}.items()
    undo_edit(made[0], user=None, reason="it was right")
    [undone] = settle(connection)
    assert (undone.device_id, undone.edit_ids, undone.causes) == (ids[0], [made[0].pk], [])
    check_same(before, read_month(client, account.pk))

    # Names, codes, groups, kinds, of all that is shown; bands that are no more.
    Device.objects.update(name="renamed", code="X", group="North", kind="meter")
    Gateway.objects.update(name="renamed", location="elsewhere")
    for number, gateway in enumerate(Gateway.objects.order_by("pk")):
        Gateway.objects.filter(pk=gateway.pk).update(code=f"renamed {number}")
    VirtualMeter.objects.update(name="renamed", code="V2")
    BandPeriod.objects.all().delete()
    assert settle(connection) == []
    check_same(before, read_month(client, account.pk))

    # A change of meter within the month, and one that is undone.
    device = Device.objects.get(pk=ids[4])
    kept = {name: getattr(device, name) for name in KEPT}
    changed = change_meter(
        device, MeterChange(since=FIRST + 12 * DAY, factor=Decimal(3), **kept), user=None
    )
    [line] = settle(connection)
    assert (line.device_id, line.installation_ids, line.causes) == (ids[4], [changed.pk], [])
    again = change_meter(
        device, MeterChange(since=FIRST + 25 * DAY, factor=Decimal(2), **kept), user=None
    )
    settle(connection)
    undo_change(again, user=None)
    [line] = settle(connection)
    assert line.installation_ids == [again.pk]
    check_same(before, read_month(client, account.pk))

    # A gateway moves to another account in the middle of the month.
    moved_at = FIRST + 14 * DAY + 12 * HOUR
    other = Account.objects.create(name="Other", time_zone="Europe/Lisbon")
    gateway = Gateway.objects.get(pk=sites[5].gateway_id)
    move_gateway(gateway, other, since=moved_at)
    [line] = settle(connection)
    assert (line.device_id, line.moved_at, line.causes) == (ids[5], moved_at, [])
    assert line.account == account
    assert line.difference < 0
    check_same(before, read_month(client, account.pk))

    # Another billing day, another time zone, another way to count gaps.
    account.refresh_from_db()
    account.time_zone, account.billing_day = "Asia/Kolkata", 15
    account.full_clean()
    account.save()
    assert settle(connection) == []
    check_same(before, read_month(client, account.pk))
    account.spreads_gaps = False
    account.save()
    assert all(line.causes == ["gaps"] for line in settle(connection))
    put(connection, [(sites[0], Value(FIRST + HOUR / 3, Decimal(7)))])
    [line] = settle(connection)
    assert (line.difference, line.causes) == (7, ["readings"])
    check_same(before, read_month(client, account.pk))

    # What is shown apart: each difference is a line, and a page says why.
    for device_id, total in read(
        connection, "SELECT device_id, coalesce(total, 0) FROM monthly_total"
        " WHERE account_id = %s AND month = %s", account.pk, SEPTEMBER
    ):  # fmt: skip
        found = MonthAdjustment.objects.filter(
            account=account, device_id=device_id, month=SEPTEMBER
        )
        assert sum(line.difference for line in found) == total - (billed[device_id] or 0)
    page = fetch(client, reverse("month", args=[account.pk, "2026-09-01"])).decode()
    for text in (
        "Late readings",
        f"Edit #{made[0].pk}: a spike",
        f"Edit #{made[0].pk} undone",
        "Change of the meter:",
        "The gateway changed accounts:",
    ):
        assert text in page, text
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)
