"""A picture in one sentence or two, for those who do not see it."""

from decimal import Decimal

from django.utils.formats import date_format, get_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from telemetry.web.charts.chart import Line, Resolution
from telemetry.web.charts.picture import Picture, Show, mean_of
from telemetry.web.wording import format_exact

MOST_NAMED = 3


def summarise(picture: Picture) -> str:
    """What is drawn, over which time, and what the first devices come to."""
    lines = picture.list_lines()
    found = [f"{name}: {_describe_line(line, picture)}." for name, line in lines[:MOST_NAMED]] or [
        _("No readings.")
    ]
    rest = len(lines) - MOST_NAMED
    if rest > 0:
        words = ngettext("%(count)d more device.", "%(count)d more devices.", rest)
        found.append(words % {"count": rest})
    return " ".join([_describe_chart(picture), *found])


def _describe_chart(picture: Picture) -> str:
    titles = {
        Show.CONSUMPTION: _("Consumption"), Show.LEVEL: _("Level"), Show.REGISTER: _("Register"),
    }  # fmt: skip
    steps = {
        Resolution.READING: _("by reading"), Resolution.MINUTE: _("by minute"),
        Resolution.HOUR: _("by hour"), Resolution.DAY: _("by day"),
    }  # fmt: skip
    zone, form = picture.calendar.zone, f"{get_format('DATE_FORMAT')} H:i"
    return _("%(title)s %(step)s from %(since)s to %(until)s.") % {
        "title": titles[picture.show],
        "step": steps[picture.chart.resolution],
        "since": date_format(picture.period.since.astimezone(zone), form),
        "until": date_format(picture.period.until.astimezone(zone), form),
    }


def _describe_line(line: Line, picture: Picture) -> str:
    samples = [sample for sample in line if sample is not None]
    if picture.show is Show.CONSUMPTION:
        totals = [sample.total for sample in samples if sample.total is not None]
        total = format_exact(sum(totals, Decimal()), unit=picture.unit)
        words = _("%(total)s in all") % {"total": total}
    else:
        is_register = picture.show is Show.REGISTER
        figures = [sample.last if is_register else mean_of(sample) for sample in samples]
        words = _("from %(low)s to %(high)s, at last %(last)s") % {
            name: format_exact(value, unit=picture.unit)
            for name, value in (
                ("low", min(figures)), ("high", max(figures)), ("last", figures[-1]),
            )
        }  # fmt: skip
    missing = len(line) - len(samples)
    if not missing:
        return words
    gaps = ngettext("%(count)d missing", "%(count)d missing", missing) % {"count": missing}
    return f"{words}, {gaps}"
