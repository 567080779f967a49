"""Accounts, members and readings for tests of pages."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.test import Client
from django.utils import timezone

from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, Device, Membership, TaskRun, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, register


def open_account(
    connection: Connection, meter: Meter | None = None, *, zone: str = "America/Sao_Paulo"
) -> tuple[Site, Client]:
    """A device in an account of its own, and a viewer of it who is signed in."""
    site = register(connection, meter or Meter("delta"), zone=zone)
    connection.execute(
        "UPDATE device SET unit = 'kWh', name = 'Meter ' || id WHERE id = %s", [site.device_id]
    )
    user = User.objects.create_user(f"viewer-{site.account_id}")
    Membership.objects.create(user=user, account_id=site.account_id, role="viewer")
    client = Client()
    client.force_login(user)
    return site, client


def receive(
    connection: Connection, *readings: tuple[Site, datetime, Any], refreshed: bool = True
) -> None:
    """Store readings, set the presence of their gateways, and refresh."""
    put(connection, [(site, Value(at, Decimal(str(value)))) for site, at, value in readings])
    gateways = [site.gateway_id for site, _, _ in readings]
    connection.execute(
        "UPDATE gateway SET last_seen = now(), is_online = true WHERE id = ANY(%s)", [gateways]
    )
    if refreshed:
        refresh(connection)


def refresh(connection: Connection) -> None:
    """Bring the aggregates up to date, as the scheduled task does."""
    refresh_aggregates(connection)
    TaskRun.objects.update_or_create(
        name="telemetry.refresh_aggregates", defaults={"success_at": timezone.now()}
    )


def device_of(site: Site) -> Device:
    return Device.objects.select_related("gateway").get(pk=site.device_id)


def add_devices(account_id: int, *, count: int, measurements: Iterable[str] = ("delta",)) -> None:
    """Many devices behind a few gateways, each heard a moment ago."""
    from telemetry.models import Gateway

    account = Account.objects.get(pk=account_id)
    kinds = list(measurements)
    gateways = Gateway.objects.bulk_create(
        Gateway(
            account=account,
            code=f"G{number:04}",
            mac=f"02:55:{account_id >> 8:02x}:{account_id & 255:02x}"
            f":{number >> 8:02x}:{number & 255:02x}",
            is_online=True,
            last_seen=timezone.now(),
        )
        for number in range(-(-count // 8))
    )
    Device.objects.bulk_create(
        Device(
            account=account,
            gateway=gateways[number // 8],
            code=f"D{number % 8}",
            name="Energy meter",
            measurement=kinds[number % len(kinds)],
            unit="kWh",
        )
        for number in range(count)
    )
