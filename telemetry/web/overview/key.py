"""What the marks of the overview's chart mean. Pure."""

from typing import Any

from django.utils.translation import gettext as _

from telemetry.web.charts.chart import Resolution
from telemetry.web.charts.view import Show


def list_key(chart_data: dict[str, Any]) -> list[tuple[str, str]]:
    """Classes and texts of what the bars hold; the table beside the chart names the series."""
    if chart_data["show"] != Show.CONSUMPTION or not chart_data["series"]:
        return []
    key = []
    if chart_data["current"] >= 0:
        is_day = chart_data["resolution"] == Resolution.DAY
        key.append(("soft", _("Today, so far") if is_day else _("The hour in progress")))
    if any("estimated" in series for series in chart_data["series"]):
        key.append(("hatched", _("Estimated")))
    if chart_data.get("expected"):
        key.append(("expected", _("Expected, from the usual weekday")))
    return key
