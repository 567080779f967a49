"""`{% load overview %}`: texts of the overview."""

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from telemetry.store.billing.review import UnitSum
from telemetry.web.closing.review import DeviceRow
from telemetry.web.formatting import (
    NO_BREAK,
    NONE,
    format_brief,
    format_change,
    format_day,
    format_within,
)
from telemetry.web.overview.comparison import Before, Comparison, is_same_weekday
from telemetry.web.overview.consumption import Consumption
from telemetry.web.overview.month_parts import Part
from telemetry.web.overview.quantities import Quantity

register = template.Library()

QUANTITIES = {
    "kWh": gettext_lazy("Energy"),
    "MWh": gettext_lazy("Energy"),
    "Wh": gettext_lazy("Energy"),
    "m³": gettext_lazy("Volume"),
}
LEVELS = {"°C": gettext_lazy("Temperature")}


@register.filter
def name_quantity(unit: str) -> str:
    """What a unit measures, where that is sure; otherwise the unit."""
    return str(QUANTITIES.get(unit, unit or _("Consumption")))


@register.filter
def name_of(quantity: Quantity) -> str:
    """What a chart shows: by its unit, where that is sure."""
    names = LEVELS if quantity.is_level else QUANTITIES
    return str(names.get(quantity.unit, quantity.title))


@register.simple_tag
def about(value: Decimal, unit: str) -> SafeString:
    """A projection, with the digits that are told (`Cards.projected`)."""
    text = format_brief(value, places=max(0, -int(value.as_tuple().exponent)))
    return format_html('<span class="figure">{}<small>{}{}</small></span>', text, NO_BREAK, unit)


@register.filter
def describe_day(consumption: Consumption) -> dict[str, str]:
    """Which hours of today are compared, and with those of which day."""
    day = format_within(consumption.week.day, "D")
    return {
        "now": _describe_hours(consumption.part),
        "before": f"{day} {format_day(consumption.week.day)} {_describe_hours(consumption.week)}",
    }


@register.filter
def describe_month(consumption: Consumption) -> dict[str, str]:
    """Which days and hours of the month are compared, and with which; and the month before."""
    return {
        "now": _describe_part(consumption.part),
        "before": _describe_part(consumption.before),
        "whole_before": format_within(consumption.before.month, "F"),
    }


@register.filter
def describe_selection(comparison: Comparison, quantity: Quantity) -> str:
    """Which devices are shown, and why these."""
    count = comparison.devices_count
    rows = comparison.rows
    shown = len(rows) if quantity.is_level else count - comparison.left_out
    if all(row.part.device_id for row in rows) and len(rows) < shown:
        text = _("%(shown)d of the %(count)d devices that measure it have values")
        return text % {"shown": len(rows), "count": count}
    if shown >= count:
        return ngettext(
            "The device that measures it", "All %(count)d devices that measure it", count
        ) % {"count": count}
    if quantity.is_level:
        text = _("%(shown)d of %(count)d devices, by gateway and code")
    else:
        text = _("%(shown)d of %(count)d devices: those that consumed most")
    return text % {"shown": shown, "count": count}


@register.filter
def describe_before(before: Before) -> str:
    """What changes are against, and whether weekday by weekday."""
    text = _("change against %(text)s") % {"text": before.name}
    return text if before.is_aligned else f"{text}, {_by_date()}"


def _by_date() -> str:
    return _("same dates, other weekdays")


@register.filter
def is_by_date(consumption: Consumption) -> bool:
    """Whether the months that are compared begin on different weekdays."""
    return not is_same_weekday(consumption.before.month, consumption.part.month)


def _describe_part(part: Part) -> str:
    first, end = format_day(part.month), _format_clock(part.until)
    return _("%(first)s to %(last)s %(time)s") % {
        "first": first, "last": format_day(part.day), "time": end,
    }  # fmt: skip


def _describe_hours(part: Part) -> str:
    if not part.has_hours:
        return _("no whole hour yet")
    return f"{_format_clock(part.since)}\u2013{_format_clock(part.until)}"


def _format_clock(at: datetime) -> str:
    return time_format(timezone.localtime(at), "H:i")


@register.filter
def change_of_sum(of: UnitSum) -> str:
    """How much more or less than in the month before, in percent; a dash without one."""
    return format_change(of.total, before=of.before) or NONE


@register.filter
def change_of_row(row: DeviceRow) -> str:
    """The same for a device."""
    total, before = row.line.total, row.line.before
    return NONE if total is None or not before else format_change(total, before=before)
