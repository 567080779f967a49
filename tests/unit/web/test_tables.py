"""Tables that become cards on a phone: each cell knows its heading and its role."""

import re

from django.template import engines

HEAD = (
    '<thead><tr><th scope="col">Name</th><th scope="col"><a href="?">Age <span aria-hidden="true">'
    "&#9650;</span></a></th></tr></thead>"
)


def render(body: str) -> str:
    text = (
        "{% load tables %}{% phone_cards %}<table>" + HEAD + body + "</table>{% end_phone_cards %}"
    )
    html: str = engines["django"].from_string(text).render({})
    return html


def test_it_labels_each_cell_with_the_heading_of_its_column_and_names_its_role() -> None:
    html = render(
        '<tbody><tr><th scope="row">A</th><td class="number">1</td></tr></tbody>'
        '<tbody><tr><td colspan="2">none</td></tr></tbody>'
    )
    found = re.findall(r'<t[hd] role="(\w+)"(?: data-label="(\w*)")?', html)
    assert found == [
        ("columnheader", ""), ("columnheader", ""), ("rowheader", "Name"), ("cell", "Age"),
        ("cell", "Name"),
    ]  # fmt: skip
    assert html.count('<tr role="row">') == 3
    assert re.sub(r' (role|data-label)="\w*"', "", html) == (
        f'<table>{HEAD}<tbody><tr><th scope="row">A</th><td class="number">1</td></tr></tbody>'
        '<tbody><tr><td colspan="2">none</td></tr></tbody></table>'
    )
