"""Tables that become cards on a phone."""

import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Any

from django import template
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

register = template.Library()

_TOKENS = re.compile(r"<(?P<closes>/?)(?P<name>table|thead|tbody|tfoot|tr|th|td)\b(?P<rest>[^>]*)>")
_HIDDEN = re.compile(r'<span aria-hidden="true">[^<]*</span>')
_SPAN = re.compile(r"colspan=\"?(\d+)")
_ROLES = {"table": "table", "tr": "row"}


@register.tag
def phone_cards(parser: Any, token: Any) -> template.Node:
    """`{% phone_cards %}<table>...</table>{% end_phone_cards %}`: each cell knows the heading of
    its column, which site.css shows beside it on a phone. Roles are named, as browsers take them
    away from tables that are laid out as blocks."""
    nodes = parser.parse(("end_phone_cards",))
    parser.delete_first_token()
    return _Cards(nodes)


class _Cards(template.Node):
    def __init__(self, nodes: template.NodeList) -> None:
        self.nodelist = nodes

    def render(self, context: template.Context) -> SafeString:
        return SafeString("".join(_label(self.nodelist.render(context))))  # nosec


def _label(html: str) -> Iterator[str]:
    headings: list[str] = []
    is_head, column, done = False, 0, 0
    for found in _TOKENS.finditer(html):
        if found["closes"]:
            continue
        name, rest = found["name"], found["rest"]
        yield html[done : found.start()]
        done = found.end()
        if name == "table":
            headings = []
        if name in ("thead", "tbody", "tfoot"):
            is_head = name == "thead"
            yield found[0]
        elif name in _ROLES:
            column = 0
            yield f'<{name} role="{_ROLES[name]}"{rest}>'
        elif is_head:
            text = strip_tags(_HIDDEN.sub("", html[done : html.index("</th>", done)]))
            headings.append(" ".join(unescape(text).split()))
            yield f'<{name} role="columnheader"{rest}>'
        else:
            heading = headings[column] if column < len(headings) else ""
            span = _SPAN.search(rest)
            column += int(span[1]) if span else 1
            role = "rowheader" if name == "th" else "cell"
            yield f'<{name} role="{role}" data-label="{escape(heading)}"{rest}>'
    yield html[done:]
