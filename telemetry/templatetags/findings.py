"""`{% load findings %}`: the evidence of a finding in words."""

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

register = template.Library()

NAMES: dict[str, Promise] = {
    "last": _("last value"),
    "value": _("value"),
    "hours": _("hours"),
    "least": _("least value"),
    "readings": _("readings"),
    "first": _("first stamp"),
    "last_at": _("last stamp"),
    "received": _("received"),
    "before": _("before"),
    "after": _("after"),
    "consumed": _("counted"),
    "plausible": _("plausible"),
    "modulus": _("a rollover, if the modulus is"),
    "times": _("times the usual"),
    "virtual_meter": _("virtual meter"),
    "added": _("added"),
    "subtracted": _("subtracted"),
    "left": _("left"),
    "text": _("what is wrong"),
    "reporter": _("reported by"),
    "usual_from": _("usual from"),
    "usual_to": _("usual to"),
}


@register.filter
def evidence_name(name: str) -> str | Promise:
    """What a value of the evidence is."""
    return NAMES.get(name, name)
