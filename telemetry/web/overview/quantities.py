"""What an account measures: consumption and levels, by unit. A chart shows one of them."""

from django.db.models import BooleanField, Count, ExpressionWrapper, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from telemetry.models import Device
from telemetry.web.charts.chart_filters import ChartFilters
from telemetry.web.charts.period import Errors
from telemetry.web.overview.params import select_devices

MOST_QUANTITIES = 8
_IS_LEVEL = Q(measurement=Device.Measurement.GAUGE)
LEVEL, CONSUMPTION = "level", "consumption"


class Quantity(Struct, frozen=True):
    """Consumption or a level in a unit, with how many devices measure it."""

    unit: str
    is_level: bool
    devices_count: int

    @property
    def key(self) -> str:
        """Its name in an address."""
        return f"{LEVEL if self.is_level else CONSUMPTION}:{self.unit}"

    @property
    def title(self) -> Promise | str:
        """Its name on the page."""
        return _("Level") if self.is_level else _("Consumption")


def list_quantities(account_id: int, filters: ChartFilters) -> list[Quantity]:
    """At most eight, consumption first, then by the number of devices."""
    rows = (
        select_devices(account_id, filters)
        .annotate(is_level=ExpressionWrapper(_IS_LEVEL, output_field=BooleanField()))
        .values_list("unit", "is_level")
        .annotate(devices_count=Count("pk"))
        .order_by("is_level", "-devices_count", "unit")[:MOST_QUANTITIES]
    )
    return [Quantity(*row) for row in rows]


def choose_quantity(key: str, quantities: list[Quantity]) -> tuple[Quantity | None, Errors]:
    """The one with this key, or the first; a message when there is none with the key."""
    first = quantities[0] if quantities else None
    if not key:
        return first, {}
    for quantity in quantities:
        if quantity.key == key:
            return quantity, {}
    return first, {"show": _("None of these devices measures that.")}
