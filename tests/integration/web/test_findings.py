"""The page of findings: filters, evidence, decisions; what hinders the closing of a month."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from telemetry.models import Account, ClosedLine, Device, Finding
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import MonthError, close_month
from telemetry.store.db.connection import Connection
from tests.integration.web.site import (
    HOSTILE,
    add_reading,
    make_account,
    make_device,
    make_gateway,
    sign_in,
)

pytestmark = pytest.mark.integration

AT = datetime(2025, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def device(connection: Connection) -> Device:
    device = make_device(make_gateway(make_account()), name="Main meter")
    add_reading(connection, device, at=AT, value=7000)
    connection.execute(
        "INSERT INTO dirty_hour (hour, device_ids)"
        " SELECT time - interval '1 hour', ARRAY[device_id] FROM reading"
    )
    refresh_aggregates(connection)
    return device


def make(device: Device, rule: str = "silent", **fields: Any) -> Finding:
    return Finding.objects.create(
        **{
            "account_id": device.account_id, "device": device, "rule": rule, "since": AT,
            "evidence": {"last": "5.0000"}, **fields,
        }
    )  # fmt: skip


def read(client: Client, account: Account, *, status: int = 200, **given: Any) -> str:
    answer = client.get(reverse("findings", args=[account.pk]), given)
    assert answer.status_code == status
    return answer.content.decode()


def list_ids(client: Client, account: Account, **given: Any) -> list[int]:
    answer = client.get(reverse("findings", args=[account.pk]), given)
    return [row.finding.pk for row in answer.context["rows"]]


def decide(client: Client, finding: Finding, state: str, note: str = "") -> str:
    address = reverse("decide-finding", args=[finding.account_id, finding.pk])
    return client.post(address, {"state": state, "reason": note}, follow=True).content.decode()


def test_it_lists_what_is_to_decide_and_filters(device: Device) -> None:
    other = make_device(device.gateway, code="D02")
    silent, stuck = make(device), make(other, "stuck", since=AT + DAY)
    done = make(device, "late", state="accepted", note=HOSTILE)
    client = sign_in(device.account)
    assert list_ids(client, device.account) == [stuck.pk, silent.pk]
    assert list_ids(client, device.account, rule="silent") == [silent.pk]
    assert list_ids(client, device.account, state="decided") == [done.pk]
    assert list_ids(client, device.account, device=other.pk) == [stuck.pk]
    assert list_ids(client, device.account, search="main") == [silent.pk]
    page = read(client, device.account, state="all")
    assert "<script>alert" not in page
    assert "5.0000" in page
    assert "Accept the values" not in page
    assert "This field" not in read(client, device.account, device="x", status=400)


def test_it_decides_with_a_note_and_opens_again(device: Device) -> None:
    finding = make(device)
    client = sign_in(device.account, role="admin")
    assert "takes a note" in decide(client, finding, "accepted")
    assert "is decided" in decide(client, finding, "accepted", "holidays")
    finding.refresh_from_db()
    assert (finding.state, finding.note) == ("accepted", "holidays")
    assert finding.decided_by is not None
    assert "it cannot become" in decide(client, finding, "ignored")
    decide(client, finding, "open")
    finding.refresh_from_db()
    assert (finding.state, finding.decided_by) == ("open", None)
    assert "Expected accepted, ignored or open" in decide(client, finding, "gone")


def test_it_leads_to_the_readings_and_an_edit_puts_it_right(
    connection: Connection, device: Device
) -> None:
    finding = make(device, "spike", evidence={"first": AT.isoformat(), "last_at": AT.isoformat()})
    client = sign_in(device.account, role="admin")
    [row] = client.get(reverse("findings", args=[device.account_id])).context["rows"]
    page = client.get(row.readings.partition("#")[0]).content.decode()
    assert f'name="finding" value="{finding.pk}"' in page
    form = {"since": AT.isoformat(), "until": AT.isoformat(), "what": "void", "number": "",
            "reason": "display slip", "finding": finding.pk}  # fmt: skip
    readings = reverse("device-readings", args=[device.account_id, device.pk])
    client.post(readings, form)
    finding.refresh_from_db()
    assert (finding.state, finding.note) == ("voided", "display slip")
    assert finding.edit is not None
    undo = reverse("edit-undo", args=[device.account_id, finding.edit.pk])
    client.post(undo, {"reason": "it was right"})
    finding.refresh_from_db()
    assert (finding.state, finding.edit) == ("open", None)


def test_it_hinders_closing_until_it_is_decided(connection: Connection, device: Device) -> None:
    finding = make(device, "reset")
    make(device, "silent")
    closing: dict[str, Any] = {
        "month": date(2025, 11, 1), "user_id": None, "now": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    client = sign_in(device.account, role="admin")
    page = client.get(reverse("month", args=[device.account_id, "2025-11-01"])).content.decode()
    assert "1 finding of the month 2025-11-01 must be decided first" in page
    with pytest.raises(MonthError, match="1 finding of the month 2025-11-01 must be decided"):
        close_month(device.account_id, **closing)
    decide(client, finding, "accepted", "the meter was replaced")
    close_month(device.account_id, **closing)
    [line] = ClosedLine.objects.all()
    assert line.quality == ["reset", "silent"]


def test_it_counts_open_findings_on_the_overview(device: Device) -> None:
    make(device)
    make(device, "stuck", state="ignored")
    client = sign_in(device.account)
    answer = client.get(reverse("overview", args=[device.account_id]))
    assert answer.context["state"].attention.findings_count == 1
    assert "1 finding to decide" in answer.content.decode()
