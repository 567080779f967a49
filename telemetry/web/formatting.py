"""Numbers, shares and ages as people read them, in the language of the request."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from django.utils.formats import date_format, get_format
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.core.numbers import round_number, write_number

NO_BREAK = "\u00a0"
NONE = "\u2013"
"""Shown where there is no number: a dash."""
MINUTE, HOUR, DAY = 60, 3_600, 86_400
_SYMBOLS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"))
LARGE_PERCENT = 5
MOST_PLACES = 4
_PLACES = {"m³": 1, "°C": 1}
_SIZES = ((100, 0), (10, 1), (Decimal("0.1"), 2))
"""Decimals of other units, by the largest value that is shown."""


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


def format_within(value: date, form: str) -> str:
    """A name of a month or a weekday within a sentence, where Portuguese writes it small."""
    text = date_format(value, form)
    return text.lower() if (get_language() or "").startswith("pt") else text


def format_days(first: date, last: date) -> str:
    """Days from the first to the last, both included, with the year: 1\u201328 Oct 2026."""
    end = f"{format_day(last)} {last.year}"
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}\u2013{end}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{format_day(first)}{year} \u2013 {end}"


def choose_places(largest: Decimal, *, unit: str) -> int:
    """How many decimals a unit has where values up to the largest are read at a glance."""
    if unit in _PLACES:
        return _PLACES[unit]
    size = abs(largest)
    if not size:
        return 0
    return next((places for least, places in _SIZES if size >= least), MOST_PLACES)


def format_brief(value: Decimal, *, places: int) -> str:
    """So many decimals, zeros too, so that a column of them is aligned; minus is U+2212."""
    rounded = round_number(value, places=places)
    numbers = read_numbers()
    whole, _point, decimals = f"{abs(rounded):,.{places}f}".partition(".")
    sign = "\u2212" if rounded < 0 else ""
    text = f"{sign}{whole.replace(',', numbers.thousands)}"
    return f"{text}{numbers.point}{decimals}" if decimals else text


class Change(Struct, frozen=True):
    """How a value compares with an earlier one. `kind`: more, less, same; `is_large`: from 5%."""

    kind: str
    text: str
    is_large: bool


def describe_change(now: Decimal, *, before: Decimal) -> Change | None:
    """In words, in whole percent; None when before was nothing."""
    if before == 0:
        return None
    percent = round(100 * abs(now - before) / abs(before))
    if percent == 0:
        return Change("same", _("the same"), is_large=False)
    texts = {"more": _("%(percent)s%% more"), "less": _("%(percent)s%% less")}
    kind = "more" if now > before else "less"
    shown = format_brief(Decimal(percent), places=0)
    return Change(kind, texts[kind] % {"percent": shown}, is_large=percent >= LARGE_PERCENT)


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


def describe_short_age(at: datetime, *, now: datetime) -> str:
    """The same for columns, in symbols of units: 34 s, 2 min, 3 h, 5 d."""
    seconds = max(0, int((now - at) / timedelta(seconds=1)))
    size, symbol = next((step for step in _SYMBOLS if seconds >= step[0]), (1, "s"))
    return f"{seconds // size}{NO_BREAK}{symbol}"
