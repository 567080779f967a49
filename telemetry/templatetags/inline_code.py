"""`{% load inline_code %}`: texts with code between backticks, as in the OpenAPI document."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

register = template.Library()


@register.filter
def translated(text: str) -> str:
    """A text of the document in the language of the request."""
    return gettext(one_line) if (one_line := " ".join(text.split())) else ""


@register.filter
def mark_code(text: str) -> SafeString:
    """Text between backticks becomes code; everything is escaped."""
    return format_html_join(
        "",
        "{}",
        (
            (format_html("<code>{}</code>", part) if number % 2 else part,)
            for number, part in enumerate(text.split("`"))
        ),
    )
