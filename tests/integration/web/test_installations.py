"""The page "Meter changed": preview, enter, undo; what is refused, with the values beside."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from telemetry.core.consumption import Meter, Value
from telemetry.models import Device, Finding, Installation, MonthAdjustment
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from telemetry.store.findings.evaluate import evaluate_findings
from telemetry.store.ingest.fleet_cache import Registry
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import Site, put, read, register
from tests.integration.test_admin_pages import log_in
from tests.integration.web.site import sign_in

pytestmark = pytest.mark.integration

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST = datetime(2026, 9, 1, 3, tzinfo=UTC)  # 00:00 in São Paulo
SEPTEMBER = date(2026, 9, 1)


@pytest.fixture
def site(connection: Connection) -> Site:
    """A register in kWh that is read at local midnight: 10 a day from 1 September to 4 October."""
    meter = Meter("cumulative", interval_s=86_400)
    site = register(connection, meter, zone="America/Sao_Paulo", is_spread=True)
    connection.execute("UPDATE installation SET unit = 'kWh'")
    put(connection, [(site, Value(FIRST + day * DAY, Decimal(10 * day))) for day in range(34)])
    refresh_aggregates(connection)
    return site


@pytest.fixture
def device(site: Site) -> Device:
    return Device.objects.select_related("account", "gateway").get(pk=site.device_id)


def address(device: Device) -> str:
    return reverse("meter", args=[device.account_id, device.pk])


def send(client: Client, device: Device, *, step: str = "enter", **fields: Any) -> Any:
    form = {
        "since": "2026-09-11 00:00", "measurement": "cumulative", "unit": "kWh", "factor": "40",
        "interval_s": "86400", "step": step, **fields,
    }  # fmt: skip
    return client.post(address(device), form, follow=True)


def read_months(connection: Connection) -> dict[date, Decimal]:
    refresh_aggregates(connection)
    return dict(read(connection, "SELECT month, total FROM monthly_total ORDER BY month"))


def test_it_shows_what_a_factor_does_enters_it_and_undoes_it(
    connection: Connection, device: Device
) -> None:
    before = read_months(connection)
    close_month(
        device.account_id, month=SEPTEMBER, user_id=None, now=datetime(2026, 10, 9, tzinfo=UTC)
    )
    client = sign_in(device.account, role="admin")
    page = send(client, device, step="preview")
    effects = [(one.month, one.is_closed, one.difference) for one in page.context["preview"].months]
    assert effects == [
        (SEPTEMBER, True, Decimal(20 * 390)), (date(2026, 10, 1), False, Decimal(3 * 390)),
    ]  # fmt: skip
    text = page.content.decode()
    assert "America/Sao_Paulo" in text
    assert "stays as it was billed" in text
    assert not Installation.objects.filter(since__isnull=False).exists()

    answer = send(client, device, note="200/5 A")
    assert "The change is entered." in answer.content.decode()
    [entered] = Installation.objects.filter(since__isnull=False)
    assert (entered.old_register, entered.first_register) == (100, 100)
    assert read_months(connection) == {
        date(2026, 8, 1): 0, SEPTEMBER: 100 + 40 * 200, date(2026, 10, 1): 40 * 30,
    }  # fmt: skip
    [line] = MonthAdjustment.objects.all()
    assert (line.difference, line.installation_ids) == (Decimal(7800), [entered.pk])
    page = client.get(reverse("device", args=[device.account_id, device.pk]))
    assert "Change of the meter:" in page.content.decode()
    assert "200/5 A" in page.content.decode()
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)

    undo = reverse("meter-undo", args=[device.account_id, device.pk, entered.pk])
    shown = client.get(undo)
    assert [one.difference for one in shown.context["preview"].months] == [-7800, -1170]
    assert "is undone" in client.post(undo, follow=True).content.decode()
    assert read_months(connection) == before
    assert "undone" in client.get(address(device)).content.decode()


def test_a_net_meter_counts_backwards_and_has_its_own_largest_rate(
    connection: Connection, device: Device, site: Site
) -> None:
    Device.objects.filter(pk=device.pk).update(kind="meter")
    registry = Registry(refresh_s=0)
    registry.load(connection, [device.gateway.mac])
    assert registry.gateways[device.gateway.mac].devices["D"].is_meter
    client = sign_in(device.account, role="admin")
    change = {"since": "2026-09-21 00:00", "factor": "1", "is_net": "on", "largest_rate": "0.4"}
    page = send(client, device, step="preview", **change)
    assert page.context["preview"].months == []
    assert "counts backwards, too" in send(client, device, **change).content.decode()
    registry.prepare(connection, [device.gateway.mac], now_s=1)
    assert not registry.gateways[device.gateway.mac].devices["D"].is_meter  # below zero is right
    put(connection, [(site, Value(FIRST + 34 * DAY, Decimal(-20)))])
    assert read_months(connection)[date(2026, 10, 1)] == 30 - 350
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)
    evaluate_findings(connection, now=FIRST + 40 * DAY)
    found = Finding.objects.exclude(rule__in=["late", "old_clock"]).order_by("since")
    assert {one.rule for one in found} == {"too_fast", "silent"}  # no reset
    fast = [one for one in found if one.rule == "too_fast"]
    assert {one.evidence["plausible"] for one in fast} == {"9.6000"}  # 0.4 in each of 24 hours
    assert [one.since for one in fast] == [FIRST + day * DAY - HOUR for day in range(21, 34)]


def test_it_shows_viewers_the_meters_and_no_form(device: Device) -> None:
    client = sign_in(device.account, role="viewer")
    assert client.get(address(device)).context["form"] is None
    assert send(client, device).status_code == 403
    assert not Installation.objects.filter(since__isnull=False).exists()


@pytest.mark.parametrize(
    ("fields", "field", "text"),
    [
        ({"since": "2026-09-11 06:00"}, "old_register",
         "2026-09-11 06:00:00 (America/Sao_Paulo): what the register had at this instant is "
         "missing: enter it, or take the instant of a reading (100.0000: 2026-09-11 00:00:00 "
         "(America/Sao_Paulo); 110.0000: 2026-09-12 00:00:00 (America/Sao_Paulo))"),
        ({"since": "2026-09-11 06:00", "old_register": "99", "first_register": "0"}, "old_register",
         "cannot have 99, as it had 100.0000 already at 2026-09-11 00:00:00 (America/Sao_Paulo)"),
        ({"since": "2026-09-11 06:00", "old_register": "103", "first_register": "111"},
         "first_register",
         "cannot have 111, as it had 110.0000 only at 2026-09-12 00:00:00 (America/Sao_Paulo)"),
        ({"unit": "MWh"}, "unit",
         "take 2026-09-01 00:00:00 (America/Sao_Paulo), where the month begins"),
        ({"since": "2999-01-01 00:00"}, "since", "this instant is yet to come"),
        ({"factor": "0"}, "factor", "expected more than 0"),
        ({"measurement": "gauge"}, "factor", "expected 1, as a level is not summed up"),
        ({"measurement": "delta", "first_register": "5"}, "first_register",
         "5: this meter has no register"),
        ({"register_modulus": "500", "is_net": "on"}, "register_modulus",
         "no rollover can be told"),
        ({"largest_rate": "0"}, "largest_rate", "0 an hour: expected more than 0"),
        ({"register_modulus": "50"}, "first_register",
         "100.0000: expected 0 or more, and less than 50"),
    ],
    ids=[
        "a register is missing", "the old one is too low", "the new one is too high",
        "a unit within a month", "the future", "no factor", "a factor of a gauge",
        "a register of deltas", "a net meter that rolls over", "no rate",
        "a register above its modulus",
    ],
)  # fmt: skip
def test_it_refuses_a_change_with_the_values_beside(
    device: Device, fields: dict[str, str], field: str, text: str
) -> None:
    answer = send(sign_in(device.account, role="admin"), device, **fields)
    assert answer.status_code == 400
    [said] = answer.context["form"].errors[field]
    name = f"{device.account.name} / {device.gateway.code} / D, "
    assert said.startswith(name)
    assert text in said
    assert not Installation.objects.filter(since__isnull=False).exists()


def test_it_changes_a_unit_where_a_month_begins(connection: Connection, device: Device) -> None:
    client = sign_in(device.account, role="admin")
    send(client, device, since="2026-10-01 00:00", unit="MWh", factor="1")
    refresh_aggregates(connection)
    units = "SELECT month, unit, total FROM billed_month ORDER BY month"
    assert read(connection, units) == [
        (date(2026, 8, 1), "kWh", 0), (SEPTEMBER, "kWh", 300), (date(2026, 10, 1), "MWh", 30),
    ]  # fmt: skip
    device.refresh_from_db()
    assert device.unit == "MWh"


def test_it_changes_nothing_in_place_once_there_are_readings(
    connection: Connection, device: Device, tmp_path: Any
) -> None:
    said = (
        f"{device.account.name} / {device.gateway.code} / D: unit, interval (s) cannot be changed "
        "in place, as there are readings, the last one of 2026-10-04 00:00:00 (America/Sao_Paulo) "
        "(330.0000). Enter a change of the meter, with its instant, instead"
    )
    client = log_in(is_superuser=True)
    page = f"/admin/telemetry/device/{device.pk}/change/"
    fields = {
        "code": "D", "name": "Main", "kind": "meter", "measurement": "cumulative", "unit": "MWh",
        "is_active": "on",
    }  # fmt: skip
    assert said in client.post(page, fields).content.decode()
    file = tmp_path / "fleet.json"
    gateway = {
        "account": device.account.name, "mac": device.gateway.mac, "code": device.gateway.code,
        "devices": [{"code": "D", "kind": "sensor", "measurement": "cumulative", "unit": "MWh",
                     "interval_s": None}],
    }  # fmt: skip
    file.write_text(json.dumps({"accounts": [], "gateways": [gateway]}))
    with pytest.raises(CommandError, match=r"unit, interval .* cannot be changed in place"):
        call_command("load_fleet", str(file), verbosity=0)
    with pytest.raises(Exception, match="only from an instant on"):
        connection.execute("UPDATE device SET unit = 'MWh'")
    assert client.post(page, {**fields, "unit": "kWh", "interval_s": "86400"}).status_code == 302
    device.refresh_from_db()
    assert device.name == "Main"


def test_it_keeps_a_device_as_its_first_meter_while_it_has_no_readings(
    connection: Connection,
) -> None:
    site = register(connection, Meter("delta"))
    Device.objects.filter(pk=site.device_id).update(unit="kWh", register_modulus=7)
    [first] = Installation.objects.all()
    assert (first.unit, first.register_modulus, first.since) == ("kWh", 7, None)


def test_it_enters_and_undoes_a_change_in_the_admin(device: Device) -> None:
    client = log_in(is_superuser=True)
    add = "/admin/telemetry/installation/add/"
    fields = {
        "device": device.pk, "since_0": "2026-09-11", "since_1": "09:00:00", "old_register": "99",
        "largest_rate": "2", "stamp": "end",
        "first_register": "0", "factor": "1", "measurement": "cumulative", "unit": "kWh",
    }  # fmt: skip
    assert "as it had 100.0000 already" in client.post(add, fields).content.decode()
    fields |= {"old_register": "104", "first_register": "6"}
    assert client.post(add, fields).status_code == 302
    [entered] = Installation.objects.filter(since__isnull=False).select_related("created_by")
    assert (entered.created_by is not None, entered.largest_rate) == (True, 2)
    assert client.get(f"/admin/telemetry/installation/{entered.pk}/change/").status_code == 200
    pressed = {"action": "undo", "_selected_action": [entered.pk], "confirmed": "yes"}
    client.post("/admin/telemetry/installation/", pressed)
    entered.refresh_from_db()
    assert entered.undone_at is not None
