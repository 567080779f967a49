"""What a worker knows of the fleet, without asking the database for each message.

Gateways are loaded when first heard of and kept. Triggers record every change of a gateway, its
devices or its account in `registry_change`; a query of it every few seconds deletes what changed.
Unknown MACs are never kept, so a gateway that was just registered is known at once.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, LiteralString

from telemetry.core.fleet_cache import DeviceEntry, GatewayEntry, Shift
from telemetry.core.reading import MAX_TEN_THOUSANDTHS, to_microseconds, to_ten_thousandths
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    load_gateways: LiteralString
    changed_gateways: LiteralString


LONGEST_ABSENCE_S = timedelta(hours=1).total_seconds()
"""After so long without a query, changes may have been purged: everything is loaded again."""


class Registry:
    """The gateways known to one worker process, by MAC."""

    def __init__(self, *, refresh_s: float) -> None:
        self.gateways: dict[str, GatewayEntry] = {}
        self._macs_by_id: dict[int, str] = {}
        self._refresh_s = refresh_s
        self._queried_at: float | None = None
        self._since = "0"

    def prepare(self, connection: Connection, macs: Iterable[str], *, now_s: float) -> None:
        """Make sure that every registered gateway among `macs` is in `gateways`.

        `now_s` is a monotonic clock. Raises `psycopg.Error`.
        """
        if self._queried_at is None or now_s - self._queried_at >= self._refresh_s:
            self._delete_changed(connection, now_s=now_s)
        missing = [mac for mac in macs if mac not in self.gateways]
        if missing:
            self.load(connection, missing)

    def load(self, connection: Connection, macs: list[str]) -> None:
        """Read gateways again, whether known or not."""
        for mac in macs:
            self._delete(mac)
        rows = connection.execute(Sql.load_gateways, {"macs": macs}).fetchall()
        for row in rows:
            entry = _read_entry(row)
            self.gateways[entry.mac] = entry
            self._macs_by_id[entry.id] = entry.mac

    def _delete_changed(self, connection: Connection, *, now_s: float) -> None:
        row: Any = connection.execute(Sql.changed_gateways, {"since": self._since}).fetchone()
        if self._queried_at is None or now_s - self._queried_at > LONGEST_ABSENCE_S:
            self.gateways.clear()
            self._macs_by_id.clear()
        for gateway_id in row[1]:
            self._delete(self._macs_by_id.get(gateway_id, ""))
        self._since, self._queried_at = row[0], now_s

    def _delete(self, mac: str) -> None:
        entry = self.gateways.pop(mac, None)
        if entry is not None:
            self._macs_by_id.pop(entry.id, None)


def _read_entry(row: Any) -> GatewayEntry:
    gateway_id, account_id, mac, is_active, codes, ids, actives, meters, units, moduli, *more = row
    shifts, untils, accounts = more
    devices = {
        code: DeviceEntry(
            device_id,
            active,
            is_meter,
            unit,
            MAX_TEN_THOUSANDTHS if modulus is None else to_ten_thousandths(modulus),
            tuple(Shift(*one) for one in moved or ()),
        )
        for code, device_id, active, is_meter, unit, modulus, moved in zip(
            codes, ids, actives, meters, units, moduli, shifts, strict=True
        )
    }
    earlier = tuple(
        (to_microseconds(until), former) for until, former in zip(untils, accounts, strict=True)
    )
    return GatewayEntry(gateway_id, account_id, mac, is_active, devices, earlier)
