"""What keeps the admin's lists quick beside many rows, and what their searches find."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from telemetry.admin import lists
from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, Device, Gateway
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.store.db.rights import FILE
from tests.consumption import put, register

pytestmark = pytest.mark.integration

DEVICES = "/admin/telemetry/device/"
FINDINGS = """
INSERT INTO finding (account_id, device_id, rule, since, until, evidence)
SELECT account_id, id, 'spike', now() - n * interval '1 minute', now(), '{}'
FROM device, generate_series(1, 20000) n LIMIT 20000
"""
PAGE = """
EXPLAIN SELECT * FROM finding JOIN device ON device.id = device_id
ORDER BY since DESC, finding.id DESC LIMIT 50
"""


@pytest.fixture
def client(environ: dict[str, str], connection: Connection, fleet: None) -> Client:
    user = get_user_model().objects.create_superuser("administrator")
    client = Client()
    client.force_login(user)
    return client


def find(client: Client, text: str) -> list[str]:
    found = client.get(DEVICES, {"q": text}).context["cl"].result_list
    return sorted(device.code for device in found)


def add_device(account: Account, **values: Any) -> Device:
    gateway = Gateway.objects.create(
        account=account, code=values.pop("gateway"), mac=values.pop("mac")
    )
    return Device.objects.create(gateway=gateway, **values)


def test_it_makes_the_headings_of_a_list_once_for_a_page(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account.objects.create(name="Água Clara")
    for n in range(3):
        Gateway.objects.create(account=account, code=f"G{n}", mac=f"02:00:00:00:00:0{n}")
    made: list[object] = []
    make = lists._make_headers

    def note(changelist: Any) -> Any:
        made.append(changelist)
        return make(changelist)

    monkeypatch.setattr(lists, "_make_headers", note)
    page = client.get("/admin/telemetry/gateway/").content.decode()
    assert page.count('data-label="code"') > 3
    assert len(made) == 1


def test_it_finds_devices_in_which_each_word_is_a_part_of_some_name(client: Client) -> None:
    account = Account.objects.create(name="Água Clara")
    add_device(account, gateway="North", mac="02:aa:00:00:00:01", code="MAIN", name="Pump house")
    add_device(account, gateway="South", mac="02:aa:00:00:00:02", code="SIDE", group="100%_used")
    assert find(client, "pump") == ["MAIN"]
    assert find(client, "north HOUSE") == ["MAIN"]
    assert find(client, "south house") == []
    assert find(client, '"pump house"') == ["MAIN"]
    assert find(client, '"house pump"') == []
    assert find(client, "água") == ["MAIN", "SIDE"]
    assert find(client, "aa:00:00:00:02") == ["SIDE"]
    assert find(client, "0%_u") == ["SIDE"]
    assert find(client, "h_use") == []


def test_it_lists_the_hours_that_an_account_had_of_a_device_that_moved(
    client: Client, connection: Connection
) -> None:
    site, other = (register(connection, Meter("delta")) for _ in range(2))
    at = datetime.now(UTC) - timedelta(hours=2)
    put(connection, [(each, Value(at, Decimal(1))) for each in (site, other)])
    refresh_aggregates(connection)
    Gateway.objects.filter(pk=site.gateway_id).update(account_id=other.account_id)

    def list_hours(**chosen: int) -> list[int]:
        asked = {f"{name}__id__exact": value for name, value in chosen.items()}
        found = client.get("/admin/telemetry/hourlylisting/", asked).context["cl"].result_list
        return [hour.device_id for hour in found]

    assert list_hours(account=site.account_id) == [site.device_id]
    assert list_hours(account=site.account_id, device=site.device_id) == [site.device_id]
    assert list_hours(account=other.account_id) == [other.device_id]
    assert list_hours(account=other.account_id, device=site.device_id) == []


def test_it_reads_a_page_from_the_index_behind_the_wall(
    client: Client, connection: Connection, servers: Any
) -> None:
    """A planner that expects one row in 200 to be seen sorts them all instead."""
    account = Account.objects.create(name="Água Clara")
    add_device(account, gateway="G1", mac="02:aa:00:00:00:01", code="D1")
    connection.execute(FINDINGS)
    connection.execute("ANALYZE finding, device")
    with psycopg.connect(servers.environ["WEB_DATABASE_URL"], autocommit=True) as web:
        web.execute("SELECT set_config('app.account_id', '0', false)")
        plan = "\n".join(line for (line,) in web.execute(PAGE).fetchall())
    assert "finding_since" in plan
    assert "Sort" not in plan


def test_it_mends_the_policies_of_an_earlier_release(connection: Connection) -> None:
    connection.execute(
        "ALTER POLICY account ON alarm USING (account_id = (SELECT scoped.account())"
        " OR (SELECT scoped.account()) = 0)"
    )
    connection.execute(FILE.read_bytes())
    [(name, rule)] = connection.execute(
        "SELECT polname, pg_get_expr(polqual, polrelid) FROM pg_policy"
        " WHERE polrelid = 'alarm'::regclass"
    ).fetchall()
    assert name == "account"
    assert "( SELECT (scoped.account() = 0))" in rule
