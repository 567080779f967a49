"""The devices that are not as usual, as the overview shows them."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from telemetry.models import Device
from telemetry.store.reads.account_signs import WeekChange
from telemetry.web.charts.labels import find_devices

HALF = Decimal(50)
"""The width of a bar of the largest change, on either side."""


class NamedChange(Struct, frozen=True):
    """A device with its change, and its bar: from the middle to the right for more."""

    device: Device
    unit: str
    consumed: Decimal
    usual: Decimal
    bar_start: Decimal
    bar_width: Decimal

    @property
    def difference(self) -> Decimal:
        """How much more or less, in the unit."""
        return self.consumed - self.usual

    @property
    def kind(self) -> str:
        """More or less."""
        return "more" if self.difference > 0 else "less"


def name_changes(account_id: int, changes: Sequence[WeekChange]) -> list[NamedChange]:
    """In the same order; devices that are another account's by now are left out. One query."""
    devices = find_devices(account_id, ids={change.device_id for change in changes})
    shares = {one.device_id: abs(one.consumed - one.usual) / one.usual for one in changes}
    most = max(shares.values(), default=Decimal(1))
    named = []
    for one in changes:
        if one.device_id not in devices:
            continue
        width = round(HALF * shares[one.device_id] / most, 1)
        start = Decimal() if one.consumed > one.usual else -width
        device = devices[one.device_id]
        named.append(NamedChange(device, one.unit, one.consumed, one.usual, start, width))
    return named
