"""Accounts with members, gateways, devices and readings, made for tests of pages."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.test import Client

from telemetry.models import Account, Alarm, DeadLetter, Device, Gateway, Membership, User
from telemetry.store.db.connection import Connection

HOSTILE = "<script>alert('x')</script>\"&\u202e"
_numbers = count(10_000)  # all of five digits: sorting by name keeps the order


def make_account(name: str = "Site", **fields: Any) -> Account:
    return Account.objects.create(name=name, **fields)


def sign_in(account: Account, *, role: str = "viewer") -> Client:
    """A client of somebody who has the role in the account."""
    user = User.objects.create_user(f"user{next(_numbers)}", first_name="Ana", last_name="Reis")
    Membership.objects.create(user=user, account=account, role=role)
    client = Client()
    client.force_login(user)
    return client


def make_gateway(account: Account, code: str = "GW1", **fields: Any) -> Gateway:
    mac = ":".join(f"{byte:02x}" for byte in next(_numbers).to_bytes(6, "big"))
    return Gateway.objects.create(account=account, code=code, mac=mac, **fields)


def make_device(gateway: Gateway, code: str = "D01", **fields: Any) -> Device:
    return Device.objects.create(gateway=gateway, code=code, **{"unit": "kWh", **fields})


def add_reading(
    connection: Connection, device: Device, *, at: datetime, value: Any = 1, unit: str = "kWh"
) -> None:
    connection.execute(
        "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)"
        " VALUES (%s, now(), %s, %s, %s, %s, %s)",
        [at, device.account_id, device.gateway_id, device.pk, value, unit],
    )


def add_alarm(
    device: Device, *, at: datetime, lasts: timedelta | None = None, **fields: Any
) -> Alarm:
    """An alarm that is open, or that lasted so long."""
    ended = {} if lasts is None else {"closed_at": at + lasts, "ending": "reading"}
    return Alarm.objects.create(
        **{
            "account_id": device.account_id, "device": device, "kind": "high",
            "limit": Decimal(10), "value": Decimal("12.5"), "opened_at": at, "last_beyond_at": at,
            **ended, **fields,
        }
    )  # fmt: skip


def add_dead_letter(gateway: Gateway, *, at: datetime, **fields: Any) -> DeadLetter:
    return DeadLetter.objects.create(
        **{
            "fingerprint": next(_numbers).to_bytes(32, "big"), "topic": "t", "payload": b"{}",
            "reason": "bad_json", "mac": gateway.mac, "gateway": gateway,
            "account_id": gateway.account_id, "first_seen": at, "last_seen": at, **fields,
        }
    )  # fmt: skip


def fill_account(connection: Connection, account: Account, *, devices: int) -> None:
    """Many devices, 8 to a gateway, each with a reading of now, a day, a month and an alarm."""
    given = {"account": account.pk, "gateways": -(-devices // 8), "devices": devices}
    for statement in _FILL:
        connection.execute(statement, given)  # type: ignore[arg-type]


_FILL = (
    "INSERT INTO gateway (account_id, code, mac, name, location, max_devices, is_active, is_online,"
    " last_seen, firmware_version) SELECT %(account)s, 'G' || lpad(n::text, 4, '0'),"
    " '02:00:00:00:' || lpad(to_hex(n / 256), 2, '0') || ':' || lpad(to_hex(n %% 256), 2, '0'),"
    " 'Gateway ' || n, 'Hall ' || n, 8, true, true, now(), '1.2.3'"
    " FROM generate_series(1, %(gateways)s) AS n",
    "INSERT INTO device (gateway_id, account_id, code, name, kind, measurement, unit, is_active,"
    " alarm_high) SELECT g.id, g.account_id, 'D0' || n, 'Meter ' || n, 'meter', 'delta', 'kWh',"
    " true, 10 FROM gateway g, generate_series(1, 8) AS n WHERE g.account_id = %(account)s"
    " ORDER BY g.id LIMIT %(devices)s",
    "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)"
    " SELECT now(), now(), account_id, gateway_id, id, 12.5, 'kWh' FROM device",
    "INSERT INTO daily_aggregate (device_id, day, account_id, total, reading_sum, minimum, maximum,"
    " first, last, readings_count, intervals_seen) SELECT id, now()::date, account_id, 3.5, 3.5, 1,"
    " 1, 1, 1, 1, 1 FROM device",
    "INSERT INTO monthly_total (device_id, month, account_id, total, reading_sum, minimum, maximum,"
    " first_register, last_register, readings_count, intervals_seen) SELECT id,"
    " date_trunc('month', now())::date, account_id, 70.25, 1, 1, 1, 1, 1, 1, 1 FROM device",
    "INSERT INTO alarm (account_id, device_id, kind, limit_value, value, opened_at, last_beyond_at)"
    " SELECT account_id, id, 'high', 10, 12.5, now(), now() FROM device",
    "INSERT INTO alarm (account_id, device_id, kind, limit_value, value, opened_at, last_beyond_at,"
    " closed_at, ending) SELECT account_id, id, 'high', 10, 12.5, now() - interval '2 days',"
    " now() - interval '2 days', now() - interval '1 day', 'reading' FROM device",
)
