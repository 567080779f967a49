"""Cases of bills that are more than readings of a meter: edits and by whom, coverage, moves."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from telemetry.core.consumption import Meter, Value, count_intervals, cover, start_of
from telemetry.core.fleet_cache import GatewayEntry
from telemetry.edits.editing import Change, request_edit
from telemetry.models import Account, Device, Edit, Finding, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.billing.statement import read_statement
from telemetry.store.billing.statement_devices import StatementQuestion
from telemetry.store.db.connection import Connection
from tests.billing_cases import ZONE, local
from tests.consumption import install, put, read, register
from tests.integration.web.site import sign_in

pytestmark = pytest.mark.integration

SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)


def test_a_delta_that_an_admin_put_right_counts_so_and_the_month_says_who_when_and_why(
    connection: Connection,
) -> None:
    site = register(connection, Meter("delta", interval_s=3600), zone=ZONE)
    account, device = (
        Account.objects.get(pk=site.account_id), Device.objects.get(pk=site.device_id)
    )  # fmt: skip
    at = local("2026-09-10 10:00")
    put(connection, [(site, Value(at, Decimal(7000)))])
    refresh_aggregates(connection)
    finding = Finding.objects.create(
        account=account, device=device, rule="too_fast", since=at, evidence={"consumed": "7000"}
    )
    admin = User.objects.create_user("rita", first_name="Rita", last_name="Lima")
    edit = request_edit(
        account, device=device, since=at, until=at, change=Change(value=Decimal(7)),
        reason="sent in litres", user=admin, finding=finding,
    )  # fmt: skip
    refresh_aggregates(connection)
    assert read(connection, "SELECT month, total FROM monthly_total") == [(SEPTEMBER, 7)]
    finding.refresh_from_db()
    assert (finding.state, finding.edit) == ("substituted", edit)
    client = sign_in(account, role="admin")
    for is_closed in (False, True):
        if is_closed:
            close_month(account.pk, month=SEPTEMBER, user_id=None, now=timezone.now())
        page = client.get(reverse("month", args=[account.pk, "2026-09-01"])).content.decode()
        shown = page[page.index('id="edited"') :]
        shown = shown[: shown.index("</section>")]
        for text in (f"Edit #{edit.pk}: sent in litres", "Rita Lima", "2026-09-10 10:00"):
            assert text in shown, (is_closed, text)
    [stated] = read_statement(
        StatementQuestion(account.pk, local("2026-09-01"), local("2026-10-01"))
    ).edits
    assert (stated.requested_by, stated.reason) == (admin, "sent in litres")
    assert Edit.objects.count() == 1


def test_two_readings_on_each_of_ten_days_of_a_device_that_is_read_daily_cover_ten_of_thirty(
    connection: Connection,
) -> None:
    meter = Meter("cumulative", interval_s=86_400)
    site = register(connection, meter, zone=ZONE)
    instants = [
        local(f"2026-09-{day:02} {hour}:00") for day in range(2, 12) for hour in ("06", "18")
    ]
    put(connection, [(site, Value(at, Decimal(n))) for n, at in enumerate(instants)])
    refresh_aggregates(connection)
    third = Decimal(10) / 30
    [(coverage,)] = read(
        connection, "SELECT coverage FROM monthly_consumption WHERE device_id = %s", site.device_id
    )
    assert round(coverage, 10) == round(third, 10)
    zone = Account.objects.get(pk=site.account_id).zone
    meters = install(meter)
    days = [instants[number : number + 2] for number in range(0, len(instants), 2)]
    seen = sum((count_intervals(day, meters, zone) for day in days), Decimal(0))
    assert cover(seen, SEPTEMBER, OCTOBER, meters, zone, now=timezone.now()) == third
    assert start_of(SEPTEMBER, zone) == local("2026-09-01")


def test_a_reading_before_a_move_is_the_former_accounts_in_the_pure_form() -> None:
    """In SQL: `test_a_late_reading_is_the_accounts_that_had_the_gateway_at_its_time`."""
    moved_at = datetime(2026, 9, 15, 12, tzinfo=UTC)

    def us(at: datetime) -> int:
        return int(at.timestamp() * 1_000_000)

    gateway = GatewayEntry(1, 20, "aa", True, {}, earlier=((us(moved_at), 10),))
    second = timedelta(seconds=1)
    found = [gateway.find_account(us(moved_at + shift * second)) for shift in (-86_400, 0, 1)]
    assert found == [10, 10, 20]
