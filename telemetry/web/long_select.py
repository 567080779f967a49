"""The options of a list to choose from. There may be hundreds, and a template for each is slow."""

from collections.abc import Collection, Iterable
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString


def render_options(pairs: Iterable[tuple[Any, Any]], *, chosen: Collection[str]) -> SafeString:
    """An option for each pair of value and text; `chosen`: the values that are selected."""
    return SafeString(  # nosec
        "".join(
            f'<option value="{escape(value)}"{" selected" if str(value) in chosen else ""}>'
            f"{escape(text)}</option>"
            for value, text in pairs
        )
    )


class LongSelect(forms.Select):
    """The same as Django's, without groups of options."""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """The whole element."""
        attributes = flatatt(self.build_attrs(self.attrs, {**(attrs or {}), "name": name}))
        options = render_options(self.choices, chosen=self.format_value(value))
        return format_html("<select{}>{}</select>", attributes, options)
