"""`{% load formatting %}`: numbers, times and ages in templates."""

from datetime import date, datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from telemetry.dead_letters.details import describe_detail
from telemetry.dead_letters.texts import name_reason
from telemetry.models import User
from telemetry.web import formatting
from telemetry.web.formatting import NONE, describe_change

register = template.Library()


@register.filter
def exact(value: Decimal | int | None, unit: str = "") -> str:
    """Every digit but trailing zeros, with the unit; a dash for None."""
    return NONE if value is None else formatting.format_exact(Decimal(value), unit=unit)


@register.filter
def rounded(value: Decimal | None, unit: str = "") -> str:
    """At most four decimals, with the unit; a dash for None."""
    return NONE if value is None else formatting.format_rounded(value, unit=unit)


@register.simple_tag
def figure(value: Decimal | None, unit: str = "", places: int | None = None) -> SafeString | str:
    """A value to read at a glance, with a small unit; every digit is in its title."""
    if value is None:
        return NONE
    if places is None:
        places = formatting.choose_places(value, unit=unit)
    text = formatting.format_brief(value, places=places)
    exact_text = formatting.format_rounded(value, unit=unit)
    behind = format_html("<small>{}{}</small>", formatting.NO_BREAK, unit) if unit else ""
    return format_html('<span class="figure" title="{}">{}{}</span>', exact_text, text, behind)


@register.simple_tag
def difference(value: Decimal, unit: str) -> SafeString | str:
    """How much more or less, with its sign."""
    shown = figure(value, unit)
    return format_html("+{}", shown) if value > 0 else shown


@register.simple_tag
def change(now: Decimal | None, before: Decimal | None) -> SafeString | str:
    """How much more or less than before, in words with an arrow; empty when nothing was before."""
    found = None if now is None or before is None else describe_change(now, before=before)
    if found is None:
        return ""
    arrow = {"more": "\u25b2", "less": "\u25bc"}.get(found.kind, "")
    large = " large" if found.is_large else ""
    return format_html(
        '<span class="change {}{}"><span aria-hidden="true">{}</span> {}</span>',
        found.kind, large, arrow, found.text,
    )  # fmt: skip


@register.simple_tag
def compared(now: Decimal | None, before: Decimal | None, text: str) -> SafeString | str:
    """The same with what it is compared with: 8% less than September."""
    shown = change(now, before)
    if not shown or now is None or before is None:
        return _("no change to show against %(text)s") % {"text": text}
    found = describe_change(now, before=before)
    return _join_compared(shown, text, is_same=found is None or found.kind == "same")


@register.simple_tag
def compared_level(now: Decimal, before: Decimal, unit: str, text: str) -> SafeString:
    """How much higher or lower a level is than before, in its unit."""
    places = formatting.choose_places(now - before, unit=unit)
    value = formatting.format_brief(abs(now - before), places=places)
    is_same = not round(now - before, places)
    higher, lower = _("%(difference)s higher"), _("%(difference)s lower")
    form = _("the same") if is_same else higher if now > before else lower
    phrase = form if is_same else form % {"difference": f"{value}{formatting.NO_BREAK}{unit}"}
    shown = format_html('<span class="change same">{}</span>', phrase)
    return _join_compared(shown, text, is_same=is_same)


def _join_compared(shown: SafeString | str, text: str, *, is_same: bool) -> SafeString:
    joined = _("%(change)s as %(text)s") if is_same else _("%(change)s than %(text)s")
    # Words of the catalogue, which hold no HTML, around values that are escaped.
    return format_html(joined.replace("%(change)s", "{0}").replace("%(text)s", "{1}"), shown, text)


@register.filter
def day(value: date) -> str:
    """A day without its year."""
    return formatting.format_day(value)


@register.filter
def short_month(value: date) -> str:
    """A month with its year, as short as it is clear."""
    return date_format(value, pgettext("a month with its year", "M Y"))


@register.filter
def percent(share: Decimal | None) -> str:
    """A share of 1 as percent; a dash for None."""
    return NONE if share is None else formatting.format_share(share)


@register.filter
def whole_percent(share: Decimal | None) -> str:
    """A share of 1 in whole percent; a dash for None."""
    if share is None:
        return NONE
    return f"{formatting.format_brief(share * 100, places=0)}{formatting.NO_BREAK}%"


@register.filter
def unlocalised(value: Decimal) -> str:
    """A number as HTML's attributes want it."""
    return f"{value:.4f}"


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """An instant in the account's time zone."""
    return _render(at, "DATETIME_FORMAT")


@register.simple_tag
def instant(at: datetime) -> SafeString:
    """An instant in the account's time zone, to the microsecond where it has any."""
    local = timezone.localtime(at)
    fraction = f".{local.microsecond:06d}".rstrip("0") if local.microsecond else ""
    text = f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S}{fraction}"
    return format_html('<time datetime="{}">{}</time>', local.isoformat(), text)


@register.filter
def exact_instant(at: datetime) -> str:
    """The same for a link."""
    return timezone.localtime(at).isoformat()


@register.simple_tag
def person(user: User | None) -> str:
    """The name of a user; of one who was deleted, that."""
    return _("a former user") if user is None else user.get_full_name() or user.get_username()


@register.simple_tag
def clock(at: datetime) -> SafeString:
    """The time of the day; with its date where that is not today."""
    is_today = timezone.localdate(at) == timezone.localdate()
    return _render(at, "H:i:s" if is_today else "DATETIME_FORMAT")


def _render(at: datetime, form: str) -> SafeString:
    local = timezone.localtime(at)
    instant = local.isoformat(timespec="seconds")
    return format_html('<time datetime="{}">{}</time>', instant, date_format(local, form))


@register.simple_tag
def age(at: datetime) -> SafeString:
    """How long ago; `ages.js` keeps it current. The instant is in the title."""
    return _render_age(at, formatting.describe_age(at, now=timezone.now()), form="")


@register.simple_tag
def short_age(at: datetime) -> SafeString:
    """The same for a column."""
    return _render_age(at, formatting.describe_short_age(at, now=timezone.now()), form="short")


def _render_age(at: datetime, text: str, *, form: str) -> SafeString:
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}" data-age="{}">{}</time>',
        local.isoformat(timespec="milliseconds"), date_format(local, "DATETIME_FORMAT"), form, text,
    )  # fmt: skip


@register.filter
def detail(text: str) -> str:
    """What exactly was wrong with a dead letter, in the reader's language."""
    return describe_detail(text)


@register.filter
def reason(code: str) -> str:
    """The reason of a dead letter in words."""
    return str(name_reason(code))
