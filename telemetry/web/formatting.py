"""Numbers, shares and ages as people read them, in the language of the request."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from django.utils.formats import date_format, get_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from msgspec import Struct

from telemetry.core.numbers import round_number, write_number

NO_BREAK = "\u00a0"
NONE = "\u2013"
"""Shown where there is no number: a dash."""
MINUTE, HOUR, DAY = 60, 3_600, 86_400


class Numbers(Struct, frozen=True):
    """How a language writes numbers. Looked up once, it writes thousands of them fast."""

    point: str
    thousands: str

    def write(self, value: Decimal) -> str:
        """As `write_number` has it, thousands grouped."""
        whole, _point, decimals = write_number(value).partition(".")
        whole = f"{int(whole):,}" if whole != "-0" else whole
        whole = whole.replace(",", self.thousands)
        return f"{whole}{self.point}{decimals}" if decimals else whole

    def round(self, value: Decimal, *, places: int = 4) -> str:
        """A limited number of decimals, rounded half-even: for means, which have no end."""
        return self.write(round_number(value, places=places))

    def write_share(self, share: Decimal) -> str:
        """A share of 1 as percent, with one decimal."""
        return f"{self.round(share * 100, places=1)}{NO_BREAK}%"


def read_numbers() -> Numbers:
    """As the language of the request writes them."""
    return Numbers(get_format("DECIMAL_SEPARATOR"), get_format("THOUSAND_SEPARATOR"))


def format_exact(value: Decimal, *, unit: str = "") -> str:
    """Every digit but trailing zeros, thousands grouped, with the unit behind it."""
    return _join(read_numbers().write(value), unit)


def format_rounded(value: Decimal, *, unit: str = "") -> str:
    """At most four decimals, with the unit behind it."""
    return _join(read_numbers().round(value), unit)


def _join(number: str, unit: str) -> str:
    return f"{number}{NO_BREAK}{unit}" if unit else number


def format_share(share: Decimal) -> str:
    """A share of 1 as percent, with one decimal."""
    return read_numbers().write_share(share)


def format_change(now: Decimal, *, before: Decimal) -> str:
    """How much more or less than before, in percent with a sign; empty when before was nothing."""
    if before == 0:
        return ""
    change = (now - before) / abs(before)
    text = format_share(change)
    return f"+{text}" if change > 0 and text != format_share(Decimal()) else text


def format_day(day: date) -> str:
    """A day without its year, as short as it is clear."""
    return date_format(day, pgettext("a day without its year", "j M"))


def describe_age(at: datetime, *, now: datetime) -> str:
    """How long ago, in the largest whole unit. What lies ahead by a clock's error is now."""
    seconds = int((now - at) / timedelta(seconds=1))
    if seconds < 1:
        return _("now")
    if seconds < MINUTE:
        return ngettext("%(count)d second ago", "%(count)d seconds ago", seconds) % {
            "count": seconds
        }
    if seconds < HOUR:
        minutes = seconds // MINUTE
        return ngettext("%(count)d minute ago", "%(count)d minutes ago", minutes) % {
            "count": minutes
        }
    if seconds < DAY:
        hours = seconds // HOUR
        return ngettext("%(count)d hour ago", "%(count)d hours ago", hours) % {"count": hours}
    days = seconds // DAY
    return ngettext("%(count)d day ago", "%(count)d days ago", days) % {"count": days}
