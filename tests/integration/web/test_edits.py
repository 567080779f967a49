"""The page of a device's readings: void, correct, undo; two people; the value of a conflict."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from telemetry.core.reasons import Reason
from telemetry.models import Account, DeadLetter, Device, Edit
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from tests.integration.web.site import (
    HOSTILE,
    add_dead_letter,
    add_reading,
    make_account,
    make_device,
    make_gateway,
    sign_in,
)
from tests.messages import make_payload

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 20, 12, 0, 0, 75_017, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def device(connection: Connection) -> Device:
    account = make_account(time_zone="America/Sao_Paulo")
    device = make_device(make_gateway(account), name="Main meter")
    for hours, value in enumerate((5, 7000, 9)):
        add_reading(connection, device, at=AT + hours * HOUR, value=value)
    return device


def address(device: Device, **parameters: Any) -> str:
    page = reverse("device-readings", args=[device.account_id, device.pk])
    return page + "?" + "&".join(f"{name}={value}" for name, value in parameters.items())


def read(client: Client, device: Device, *, status: int = 200, **parameters: Any) -> str:
    answer = client.get(reverse("device-readings", args=[device.account_id, device.pk]), parameters)
    assert answer.status_code == status
    return answer.content.decode()


def send(client: Client, device: Device, **fields: Any) -> Any:
    at = "2026-11-20T10:00:00.075017-03:00"
    form = {"since": at, "until": at, "what": "void", "number": "", "reason": "a spike", **fields}
    return client.post(address(device), form, follow=True)


def values(connection: Connection) -> list[Any]:
    rows = connection.execute("SELECT value FROM reading ORDER BY time").fetchall()
    return [value for (value,) in rows]


def test_it_voids_a_reading_that_is_chosen_in_the_list(
    connection: Connection, device: Device
) -> None:
    client = sign_in(device.account, role="admin")
    page = read(client, device)
    assert "10:00:00.075017</time>" in page
    link = "edit=2026-11-20T10%3A00%3A00.075017-03%3A00&amp;what=void#form"
    assert link in page
    page = read(client, device, edit="2026-11-20T10:00:00.075017-03:00", what="void")
    assert 'value="2026-11-20T10:00:00.075017-03:00"' in page
    answer = send(client, device)
    assert "Readings edited: 1. Totals follow within a minute." in answer.content.decode()
    assert values(connection) == [5, 9]
    assert "voided" in answer.content.decode()
    assert "a spike" in answer.content.decode()
    [edit] = Edit.objects.all()
    undo = reverse("edit-undo", args=[edit.account_id, edit.pk])
    answer = client.post(undo, {"reason": "it was right"}, follow=True)
    assert "The edit is undone." in answer.content.decode()
    assert values(connection) == [5, 7000, 9]


def test_it_corrects_a_range_and_shows_both_values(connection: Connection, device: Device) -> None:
    client = sign_in(device.account, role="owner")
    answer = send(
        client, device, since="2026-11-20 10:00", until="2026-11-20 11:30:00", what="factor",
        number="0.001",
    )  # fmt: skip
    page = answer.content.decode()
    assert [str(value) for value in values(connection)] == ["5.0000", "7.0000", "0.0090"]
    assert "7,000" in page
    assert "times 0.001" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": ""}, "This field is required."),
        ({"what": "value"}, "Enter a number."),
        ({"what": "value", "number": "1.00001"}, "at most four decimals"),
        ({"since": "yesterday"}, "Enter a valid date/time."),
        ({"since": "2026-11-20 20:00"}, "the period ends before it begins"),
        ({"since": "2026-11-20 10:30", "until": "2026-11-20 10:40"},
         "Beside it: 2026-11-20 10:00:00 America/Sao_Paulo: 7000.0000 kWh"),
    ],
    ids=str,
)  # fmt: skip
def test_it_says_what_is_wrong_and_keeps_what_was_typed(
    connection: Connection, device: Device, fields: Any, words: str
) -> None:
    answer = send(sign_in(device.account, role="admin"), device, **fields)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not Edit.objects.exists()
    assert values(connection) == [5, 7000, 9]


def test_it_shows_viewers_everything_and_no_form(connection: Connection, device: Device) -> None:
    send(sign_in(device.account, role="admin"), device, reason=HOSTILE)
    viewer = sign_in(device.account)
    page = read(viewer, device)
    assert "voided" in page
    assert "<script>alert" not in page
    assert "<textarea" not in page
    assert "Undo" not in page
    assert send(viewer, device).status_code == 403


def test_it_waits_for_another_admin(connection: Connection, device: Device) -> None:
    Account.objects.update(edits_need_approval=True)
    first, second = (sign_in(device.account, role="admin") for _ in range(2))
    answer = send(first, device)
    assert "It waits until another admin approves it." in answer.content.decode()
    [edit] = Edit.objects.all()
    approve = reverse("edit-approve", args=[edit.account_id, edit.pk])
    overview = reverse("edits", args=[edit.account_id])
    assert approve not in first.get(overview).content.decode()
    assert approve in second.get(overview).content.decode()
    refused = first.post(approve, follow=True).content.decode()
    assert "another admin must approve it" in refused
    assert values(connection) == [5, 7000, 9]
    second.post(approve)
    assert values(connection) == [5, 9]


def test_it_takes_the_value_of_a_conflict_from_the_page_of_the_device(
    connection: Connection, device: Device
) -> None:
    refresh_aggregates(connection)
    payload = make_payload(code="D01", valor=7, at="2026-11-20T13:00:00.075017Z")
    dead_letter = add_dead_letter(
        device.gateway, at=AT, payload=payload, reason=str(Reason.CONFLICTING_READING),
        device_code="D01",
    )  # fmt: skip
    client = sign_in(device.account, role="admin")
    take = reverse("dead-letter-take", args=[device.account_id, dead_letter.pk])
    page = reverse("device", args=[device.account_id, device.pk])
    assert take in client.get(page).content.decode()
    assert take not in sign_in(device.account).get(page).content.decode()
    assert client.post(take, {"reason": ""}, follow=True).status_code == 200
    assert values(connection) == [5, 7000, 9]
    client.post(take, {"reason": "the second one is right"})
    assert values(connection) == [5, 7, 9]
    assert DeadLetter.objects.get().state == "taken"


def test_it_lists_no_reading_of_another_account(connection: Connection, device: Device) -> None:
    other = make_account("Other")
    connection.execute("UPDATE reading SET account_id = %s WHERE value = 7000", [other.pk])
    page = read(sign_in(device.account, role="admin"), device)
    assert "7,000" not in page
    assert "9" in page


def test_it_pages_back_through_many_readings(connection: Connection, device: Device) -> None:
    for minutes in range(1, 60):
        add_reading(connection, device, at=AT - minutes * HOUR, value=minutes)
    client = sign_in(device.account)
    answer = client.get(address(device))
    assert len(answer.context["readings"]) == 50
    older = client.get(address(device), {"until": answer.context["earlier"]})
    assert len(older.context["readings"]) == 12
    assert older.context["readings"][-1].value == 59
    assert "There is no reading" in read(client, device, until="2020-01-01 00:00")


def test_it_says_beside_an_adjustment_who_edited_what_and_why(
    connection: Connection, device: Device
) -> None:
    connection.execute("UPDATE installation SET measurement = 'delta'")
    connection.execute(
        "INSERT INTO dirty_hour (hour, device_ids)"
        " SELECT date_trunc('hour', time), ARRAY[device_id] FROM reading"
    )
    refresh_aggregates(connection)
    close_month(device.account_id, month=date(2026, 11, 1), user_id=None, now=AT.replace(month=12))
    client = sign_in(device.account, role="admin")
    send(client, device, reason="display slip")
    refresh_aggregates(connection)
    page = client.get(reverse("device", args=[device.account_id, device.pk])).content.decode()
    [edit] = Edit.objects.all()
    assert "-7,000\u00a0kWh" in page
    assert f"Edit #{edit.pk}: display slip · Ana Reis" in page
