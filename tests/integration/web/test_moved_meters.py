"""A device that came from another account: the new one changes no meter of that time."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.urls import reverse
from msgspec.structs import replace

from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, Device, Gateway, Installation, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.store.installations.former import FORMER_END
from tests.consumption import put, read, register
from tests.integration.web.site import sign_in
from tests.integration.web.test_installations import DAY, send

pytestmark = pytest.mark.integration

FIRST = datetime(2026, 9, 1, tzinfo=UTC)
NOTE = "of the former account"
MOVED = FIRST + 40 * DAY
MONTHS = "SELECT month, total FROM monthly_total WHERE account_id = %s ORDER BY month"


@pytest.fixture
def device(connection: Connection) -> Device:
    """One that was another account's for forty days, with a change of the meter that it entered."""
    site = register(connection, Meter("delta", interval_s=86_400))
    put(connection, [(site, Value(FIRST + day * DAY, Decimal(1))) for day in range(1, 40)])
    refresh_aggregates(connection)
    Installation.objects.create(
        device_id=site.device_id, since=FIRST + 10 * DAY, factor=2, measurement="delta",
        note=NOTE, created_by=User.objects.create_user("former"),
    )  # fmt: skip
    account = Account.objects.create(name="New", time_zone="UTC")
    Gateway.objects.filter(pk=site.gateway_id).update(account=account)
    connection.execute(
        "UPDATE assignment SET since = %s WHERE since IS NOT NULL", [MOVED - DAY / 2]
    )
    own = replace(site, account_id=account.pk)
    put(connection, [(own, Value(MOVED + day * DAY, Decimal(1))) for day in range(5)])
    refresh_aggregates(connection)
    return Device.objects.select_related("account", "gateway").get(pk=site.device_id)


def test_it_keeps_the_months_of_the_account_before(connection: Connection, device: Device) -> None:
    former = Account.objects.exclude(pk=device.account_id).get()
    entered = Installation.objects.get(note=NOTE)
    before = read(connection, MONTHS, former.pk)
    assert before == [(date(2026, 9, 1), Decimal(50)), (date(2026, 10, 1), Decimal(18))]
    client = sign_in(device.account, role="admin")
    page = reverse("meter", args=[device.account_id, device.pk])
    undo = reverse("meter-undo", args=[device.account_id, device.pk, entered.pk])
    api = f"/api/v1/accounts/{device.account_id}/devices/{device.pk}/installations"
    fields = {"measurement": "delta", "unit": ""}

    # It sees the meter that was there, and not who entered it and why.
    assert NOTE not in client.get(page).content.decode()
    [listed] = client.get(api).json()["items"]
    assert (listed["id"], listed["note"], listed["created_by"]) == (entered.pk, "", None)

    for since in ("2026-09-05 00:00", "2026-10-09 00:00"):
        for step in ("preview", "enter"):
            answer = send(client, device, since=since, step=step, **fields)
            assert "another account&#x27;s: take a later instant" in answer.content.decode()
    for answer in (client.get(undo, follow=True), client.post(undo, follow=True)):
        assert "another account&#x27;s" in answer.content.decode()
    body = {"since": "2026-09-05T00:00:00Z", "factor": "40", **fields}
    token = {"X-CSRFToken": client.cookies["csrftoken"].value}
    for path, sent in (("", body), ("/preview", body), (f"/{entered.pk}/undo", {})):
        answer = client.post(api + path, json.dumps(sent), "application/json", headers=token)
        assert answer.status_code == 409, path
        assert "2026-10-10 00:00:00 (UTC)" in answer.json()["detail"]
    refresh_aggregates(connection)
    assert read(connection, MONTHS, former.pk) == before

    # From its own time on it may.
    answer = send(client, device, since="2026-10-12 00:00", **fields)
    assert "The change is entered" in answer.content.decode()
    refresh_aggregates(connection)
    assert read(connection, MONTHS, former.pk) == before


def test_it_finds_the_end_of_that_time_with_the_rights_of_pages(
    connection: Connection, device: Device, servers: Any
) -> None:
    """They see no reading of another account, unless they look beyond their own."""
    asked = {"account": device.account_id, "device": device.pk}
    with psycopg.connect(servers.environ["WEB_DATABASE_URL"], autocommit=True) as web:
        for opened, end in ((device.account_id, None), (0, FIRST + 39 * DAY)):
            web.execute("SELECT set_config('app.account_id', %s, false)", [str(opened)])
            assert web.execute(FORMER_END, asked).fetchone() == (end,)
