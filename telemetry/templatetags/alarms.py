"""`{% load alarms %}`: what an alarm is about, in words, on pages and in e-mails."""

from decimal import Decimal

from django import template
from django.utils.translation import gettext as _

from telemetry.alarms.emails import name_subject
from telemetry.models import Alarm, AlarmRule, Finding
from telemetry.web.formatting import format_exact

register = template.Library()
register.filter("alarm_subject", name_subject)


@register.filter
def alarm_text(alarm: Alarm) -> str:
    """The condition with its limit, and the value that was furthest beyond it."""
    text = _join(alarm.get_kind_display(), alarm_limit(alarm))
    if alarm.value is not None and alarm.kind != Alarm.Kind.FINDING:
        text = f"{text}: {_write(alarm.value, _unit_of(alarm))}"
    detail = alarm_detail(alarm)
    return f"{text} ({detail})" if detail else text


@register.filter
def alarm_limit(alarm: Alarm) -> str:
    """The limit with its unit; empty where there is none."""
    return "" if alarm.limit is None else _write(alarm.limit, _unit_of(alarm))


@register.filter
def alarm_detail(alarm: Alarm) -> str:
    """Which findings, which limits, what the system says."""
    if alarm.kind != Alarm.Kind.FINDING:
        return alarm.detail
    labels = dict(Finding.Rule.choices)
    return ", ".join(str(labels.get(name, name)) for name in alarm.detail.split(", "))


@register.filter
def rule_text(rule: AlarmRule) -> str:
    """The condition of a rule with its limit."""
    unit = rule.unit or (rule.device.unit if rule.device else "")
    limit = "" if rule.limit is None else _write(rule.limit, unit)
    return _join(rule.get_kind_display(), limit)


def _unit_of(alarm: Alarm) -> str:
    return alarm.unit or (alarm.device.unit if alarm.device else "")


def _write(value: Decimal, unit: str) -> str:
    units = {"min": _("minutes"), "d": _("days")}
    return format_exact(value, unit=units.get(unit, unit))


def _join(label: str, limit: str) -> str:
    return f"{label} {limit}".strip()
