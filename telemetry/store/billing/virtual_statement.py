"""A virtual meter between two instants: what its devices consumed, added and subtracted."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.store.billing.statement_devices import DeviceStatement, StatementError

PARTS = """
SELECT v.code, v.name, v.unit, p.device_id, p.sign
FROM virtual_meter v JOIN virtual_part p ON p.meter_id = v.id
WHERE v.account_id = %(account)s AND v.id = %(meter)s ORDER BY p.sign DESC, p.id
"""
ZERO = Decimal(0)


class VirtualStatement(Struct, frozen=True):
    """What a virtual meter comes to. `signs`: 1 or -1 by device; `estimated`: how much of what the
    devices measured is estimated, whatever their signs."""

    id: int
    label: str
    unit: str
    signs: dict[int, int]
    added: Decimal = ZERO
    subtracted: Decimal = ZERO
    estimated: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """What is left."""
        return self.added - self.subtracted

    def count(self, rows: Iterable[DeviceStatement]) -> "VirtualStatement":
        """With what its devices consumed."""
        sums = {1: ZERO, -1: ZERO}
        estimated = ZERO
        for row in rows:
            sums[self.signs[row.device_id]] += row.total
            estimated += row.estimated
        return VirtualStatement(
            self.id, self.label, self.unit, self.signs, sums[1], sums[-1], estimated
        )


def find_virtual_meter(account_id: int, meter_id: int) -> VirtualStatement:
    """The meter, not counted yet. Raises `StatementError` when the account has none of this id."""
    parameters: dict[str, Any] = {"account": account_id, "meter": meter_id}
    with connection.cursor() as cursor:
        cursor.execute(PARTS, parameters)
        rows: list[Any] = cursor.fetchall()
    if not rows:
        text = _("the account has no virtual meter %(id)d with devices")
        raise StatementError("virtual", text % {"id": meter_id})
    code, name, unit, *_part = rows[0]
    signs = {device: sign for *_meter, device, sign in rows}
    return VirtualStatement(meter_id, f"{code} {name}".rstrip(), unit, signs)
