"""Tags that every page uses."""

from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from telemetry.accounts.access import Right

register = template.Library()

# The pages of an account: name of the address, label, required right.
PAGES: tuple[tuple[str, Promise, Right], ...] = (
    ("overview", _("Overview"), Right.VIEW),
    ("devices", _("Devices"), Right.VIEW),
    ("gateways", _("Gateways"), Right.VIEW),
    ("alarms", _("Alarms"), Right.VIEW),
    ("findings", _("Findings"), Right.VIEW),
    ("months", _("Months"), Right.VIEW),
    ("reports", _("Reports"), Right.VIEW),
    ("members", _("Members"), Right.VIEW),
)


class PageLink(Struct):
    """A link of the navigation."""

    address: str
    text: Promise
    is_here: bool


@register.simple_tag(takes_context=True)
def page_links(context: dict[str, Any]) -> list[PageLink]:
    """The pages of the account that the member may open; the one that is open, or its section."""
    account, rights = context["account"], context["rights"]
    path = context["request"].path
    links = []
    for name, text, right in PAGES:
        if right not in rights:
            continue
        try:
            address = reverse(name, args=[account.pk])
        except NoReverseMatch:
            continue
        is_here = path == address if name == "overview" else path.startswith(address)
        links.append(PageLink(address, text, is_here))
    return links
