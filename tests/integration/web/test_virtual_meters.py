"""Virtual meters: months as their devices' months, kept when a month is closed; the balance."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from telemetry.accounts.tokens import issue_token
from telemetry.assignments.moving import move_gateway
from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, Device, Finding, Gateway, User, VirtualMeter, VirtualPart
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from telemetry.store.findings.evaluate import evaluate_findings
from telemetry.store.virtual_meters.months import read_virtual_months
from tests.consumption import Site, put, register
from tests.integration.api.conftest import ALL_SCOPES
from tests.integration.web.site import sign_in

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)


def last_month() -> date:
    return (timezone.now().date().replace(day=1) - DAY).replace(day=1)


def use(connection: Connection, site: Site, amount: Any, *, day: int = 10) -> None:
    """A delta of the last month."""
    at = datetime(last_month().year, last_month().month, day, 12, tzinfo=UTC)
    put(connection, [(site, Value(at, Decimal(str(amount))))])
    connection.execute("UPDATE reading SET received_at = time")


@pytest.fixture
def sites(connection: Connection) -> list[Site]:
    """A main meter with 100 and two flats with 30.5 and 25; the common area has the rest."""
    main = register(connection, Meter("delta", interval_s=86_400))
    flats = [register(connection, Meter("delta", interval_s=86_400), beside=main) for _ in "12"]
    for site, amount in zip((main, *flats), (100, 30.5, 25), strict=True):
        use(connection, site, amount)
    refresh_aggregates(connection)
    meter = VirtualMeter.objects.create(account_id=main.account_id, code="V1", name="Common area")
    for site, sign in zip((main, *flats), (1, -1, -1), strict=True):
        VirtualPart.objects.create(meter=meter, device_id=site.device_id, sign=sign)
    return [main, *flats]


def read_month(site: Site) -> Any:
    [month] = read_virtual_months(site.account_id, first=last_month(), until=last_month() + DAY)
    return month


def test_it_is_the_sum_and_difference_of_its_devices(
    connection: Connection, sites: list[Site]
) -> None:
    month = read_month(sites[0])
    assert (month.sum.total, month.sum.added, month.sum.subtracted) == (
        Decimal("44.5"), 100, Decimal("55.5"),
    )  # fmt: skip
    assert 0 < month.sum.coverage < Decimal("0.05")
    silent = register(connection, Meter("delta"), beside=sites[0])
    VirtualPart.objects.create(
        meter=VirtualMeter.objects.get(), device_id=silent.device_id, sign=-1
    )
    assert (read_month(sites[0]).sum.total, read_month(sites[0]).sum.coverage) == (
        Decimal("44.5"), 0,
    )  # fmt: skip


def test_page_file_and_api_show_the_same_and_a_closed_month_keeps_it(
    connection: Connection, sites: list[Site]
) -> None:
    before = show(sites[0])
    close_month(sites[0].account_id, month=last_month(), user_id=None, now=timezone.now())
    use(connection, sites[1], 20, day=12)
    refresh_aggregates(connection)
    VirtualMeter.objects.update(name="Hall")
    Device.objects.update(name="renamed")
    VirtualPart.objects.filter(sign=1).delete()
    after = show(sites[0])
    assert [row[:-1] for row in before] == [row[:-1] for row in after]
    assert {row[-1] for row in after} == {"closed"}


def show(site: Site) -> list[Any]:
    account = Account.objects.get(pk=site.account_id)
    client = sign_in(account)
    page = client.get(f"/accounts/{account.pk}/virtual-meters/").content.decode()
    file = client.get(f"/accounts/{account.pk}/virtual-meters/months.csv").content
    rows = list(csv.reader(io.StringIO(file.decode("utf-8-sig"))))[1:]
    _token, text = issue_token(User.objects.latest("pk"), name="t", scopes=ALL_SCOPES)
    [month] = client.get(
        f"/api/v1/accounts/{account.pk}/virtual-meters/months",
        headers={"Authorization": f"Bearer {text}"},
    ).json()["items"]
    totals = [month["sum"]["total"], *(part["total"] for part in month["parts"])]
    assert totals == [row[5] for row in rows] == ["44.5", "100", "30.5", "25"]
    assert month["sum"]["coverage"] == rows[0][8]
    assert "V1 Common area" in page
    assert all(f">{total}<" in page for total in totals)
    return rows


def test_it_finds_parts_that_contradict_the_main_meter(
    connection: Connection, sites: list[Site]
) -> None:
    def balances() -> list[Any]:
        evaluate_findings(connection, now=timezone.now())
        return list(
            Finding.objects.filter(rule="balance").values_list(
                "device_id", "state", "evidence__left"
            )
        )

    main = sites[0].device_id
    assert balances() == []
    VirtualMeter.objects.update(largest_share=Decimal("0.4"))
    assert balances() == [(main, "open", "44.5000")]
    VirtualMeter.objects.update(largest_share=Decimal("0.45"))
    assert balances() == [(main, "gone", "44.5000")]
    use(connection, sites[2], 60, day=11)
    refresh_aggregates(connection)
    assert balances() == [(main, "open", "-15.5000")]
    page = sign_in(Account.objects.get()).get(f"/accounts/{sites[0].account_id}/virtual-meters/")
    assert "does not balance" in page.content.decode()
    close_month(sites[0].account_id, month=last_month(), user_id=None, now=timezone.now())
    assert balances() == [(main, "open", "-15.5000")]


def test_it_rejects_devices_that_do_not_fit(connection: Connection, sites: list[Site]) -> None:
    meter = VirtualMeter.objects.get()
    for wrong in (
        register(connection, Meter("delta")),
        register(connection, Meter("gauge"), beside=sites[0]),
    ):
        with pytest.raises(ValidationError):
            VirtualPart(meter=meter, device_id=wrong.device_id).full_clean()
    other = VirtualMeter.objects.create(account_id=sites[0].account_id, code="V2", unit="m³")
    with pytest.raises(ValidationError):
        VirtualPart(meter=other, device_id=sites[0].device_id).full_clean()


def test_a_device_that_moved_counts_until_then_on_the_page_and_in_the_api(
    connection: Connection, sites: list[Site]
) -> None:
    main, _flat, moved = sites
    other = Account.objects.create(name="Other")
    since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    move_gateway(Gateway.objects.get(pk=moved.gateway_id), other, since=since)
    Device.objects.filter(pk=moved.device_id).update(name="theirs")
    refresh_aggregates(connection)
    account = Account.objects.get(pk=main.account_id)
    client = sign_in(account)
    page = client.get(f"/accounts/{account.pk}/virtual-meters/").content.decode()
    assert ">44.5" in page
    assert "theirs" not in page
    _, text = issue_token(User.objects.latest("pk"), name="t", scopes=ALL_SCOPES)
    [month] = client.get(
        f"/api/v1/accounts/{account.pk}/virtual-meters/months",
        {"first": str(last_month())},
        headers={"Authorization": f"Bearer {text}"},
    ).json()["items"]
    assert month["sum"]["total"] == "44.5"
    assert [part["label"] for part in month["parts"]][-1] == f"#{moved.device_id}"
    ends = f"since={month['month']}&until={month['month_end']}&virtual={month['id']}"
    assert ">44.5" in client.get(f"/accounts/{account.pk}/statements/?{ends}").content.decode()
    assert close_month(account.pk, month=last_month(), user_id=None, now=timezone.now()) == 3
    assert ">44.5" in client.get(f"/accounts/{account.pk}/virtual-meters/").content.decode()
