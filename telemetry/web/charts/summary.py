"""A chart as text, in a sentence or two, for those who do not see it."""

from decimal import Decimal

from django.utils.formats import date_format, get_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from telemetry.web.charts.chart import Resolution, Series
from telemetry.web.charts.view import ChartView, Show, pick
from telemetry.web.formatting import format_exact

MOST_NAMED = 3


def summarise(view: ChartView) -> str:
    """What the chart shows, over which time, and the totals of the first devices."""
    named = view.list_series()
    sentences = [
        f"{name}: {_describe_series(series, view)}." for name, series in named[:MOST_NAMED]
    ] or [_("No readings.")]
    rest = len(named) - MOST_NAMED
    if rest > 0:
        text = ngettext("%(count)d more device.", "%(count)d more devices.", rest)
        sentences.append(text % {"count": rest})
    return " ".join([_describe_chart(view), *sentences])


def _describe_chart(view: ChartView) -> str:
    titles = {
        Show.CONSUMPTION: _("Consumption"), Show.LEVEL: _("Level"), Show.REGISTER: _("Register"),
    }  # fmt: skip
    steps = {
        Resolution.READING: _("by reading"), Resolution.MINUTE: _("by minute"),
        Resolution.HOUR: _("by hour"), Resolution.DAY: _("by day"),
    }  # fmt: skip
    zone, form = view.calendar.zone, f"{get_format('DATE_FORMAT')} H:i"
    return _("%(title)s %(step)s from %(since)s to %(until)s.") % {
        "title": titles[view.show],
        "step": steps[view.chart.resolution],
        "since": date_format(view.period.since.astimezone(zone), form),
        "until": date_format(view.period.until.astimezone(zone), form),
    }


def _describe_series(series: Series, view: ChartView) -> str:
    samples = [sample for sample in series if sample is not None]
    if view.show is Show.CONSUMPTION:
        totals = [sample.total for sample in samples if sample.total is not None]
        total = format_exact(sum(totals, Decimal()), unit=view.unit)
        text = _("%(total)s in all") % {"total": total}
    else:
        shown = [pick(sample, view.show) for sample in samples]
        values = [value for value in shown if value is not None] or [Decimal()]
        text = _("from %(low)s to %(high)s, at last %(last)s") % {
            name: format_exact(value, unit=view.unit)
            for name, value in (
                ("low", min(values)), ("high", max(values)), ("last", values[-1]),
            )
        }  # fmt: skip
    missing = len(series) - len(samples)
    if not missing:
        return text
    gaps = ngettext("%(count)d missing", "%(count)d missing", missing) % {"count": missing}
    return f"{text}, {gaps}"
