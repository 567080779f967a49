"""Which devices a page shows, from the address. Pure: whose they are is checked later.

Devices and gateways of another account select nothing, like ones that never were.
"""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from telemetry.models import Device
from telemetry.web.charts.period import Errors

MOST_CHOSEN = 100
_LARGEST = 2**63 - 1


class ChartFilters(Struct, frozen=True):
    """What was chosen; an empty choice is all of them."""

    devices: tuple[int, ...] = ()
    gateways: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether every device is shown."""
        return self == ChartFilters()

    def query(self) -> list[tuple[str, str]]:
        """The same in an address."""
        return [
            *(("device", str(device)) for device in self.devices),
            *(("gateway", str(gateway)) for gateway in self.gateways),
            *(("kind", kind) for kind in self.kinds),
            *(("group", group) for group in self.groups),
        ]

    def conditions(self) -> dict[str, Sequence[int | str]]:
        """The same for a query of devices."""
        chosen: dict[str, Sequence[int | str]] = {
            "pk__in": self.devices, "gateway__in": self.gateways, "kind__in": self.kinds,
            "group__in": self.groups,
        }  # fmt: skip
        return {name: values for name, values in chosen.items() if values}


def parse_filters(params: Mapping[str, Sequence[str]]) -> tuple[ChartFilters, Errors]:
    """The choice that the parameters name (each may occur several times), and messages by field.

    A field that cannot be understood chooses nothing.
    """
    errors: Errors = {}
    devices = _read_numbers(params.get("device", ()), field="device", errors=errors)
    gateways = _read_numbers(params.get("gateway", ()), field="gateway", errors=errors)
    kinds = tuple(dict.fromkeys(text for text in params.get("kind", ()) if text))
    if not set(kinds) <= set(Device.Kind.values):
        errors["kind"] = _("Choose meters, sensors or actuators.")
        kinds = ()
    groups = tuple(dict.fromkeys(text for text in params.get("group", ()) if text))
    if len(groups) > MOST_CHOSEN or any("\0" in group for group in groups):
        errors["group"] = _("Choose from the list.")
        groups = ()
    return ChartFilters(devices, gateways, kinds, groups), errors


def _read_numbers(texts: Sequence[str], *, field: str, errors: Errors) -> tuple[int, ...]:
    values = [text for text in texts if text]
    if len(values) > MOST_CHOSEN:
        errors[field] = _("Choose at most %(most)d.") % {"most": MOST_CHOSEN}
        return ()
    if not all(text.isascii() and text.isdigit() and 0 < int(text) <= _LARGEST for text in values):
        errors[field] = _("Choose from the list.")
        return ()
    return tuple(dict.fromkeys(int(text) for text in values))
