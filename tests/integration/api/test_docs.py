"""The documentation page: the whole document, without scripts, light, open to all."""

import re
from html import escape
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.utils.translation import override

from telemetry.api.described import DESCRIBED
from telemetry.api.docs import read_reference
from telemetry.api.reference import read_document
from telemetry.api.service import api
from telemetry.templatetags.inline_code import translated

pytestmark = pytest.mark.integration

PAGE = "/api/v1/docs"
MOST_BYTES = 60_000


def list_operations(document: Any) -> list[tuple[str, str, Any]]:
    return [
        (method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def open_page(**headers: str) -> str:
    answer = Client(headers=headers).get(PAGE)
    assert answer.status_code == 200
    return str(answer.content.decode())


def find_operation(page: str, name: str) -> str:
    """The part of the page that is about one operation."""
    [found] = [
        part.partition("</details>")[0]
        for part in page.split('<details class="operation">')[1:]
        if f'id="{name}"' in part
    ]
    return found


def test_it_shows_every_operation_with_its_parameters_and_answers() -> None:
    page = open_page()
    operations = list_operations(Client().get("/api/v1/openapi.json").json())
    assert page.count('<details class="operation">') == len(operations)
    for method, path, operation in operations:
        part = find_operation(page, operation["operationId"])
        expected = [
            f">{method.upper()}</span> <code>{path}</code>",
            operation["summary"].split("`")[0],
            f"<code>{operation['security'][0]['TokenAuth'][0]}</code>",
            "curl ",
            *(f"<code>{given['name']}</code>" for given in operation["parameters"]),
            *(status for status in operation["responses"]),
        ]
        assert [text for text in expected if text not in part] == [], path


def test_it_shows_the_fields_of_an_answer_and_the_media_of_a_file() -> None:
    page = open_page()
    readings = find_operation(page, "list_readings")
    assert "<code>items[].received_at</code>" in readings
    assert "≥ 1 · ≤ 1000" in readings
    assert ">text/csv<" in find_operation(page, "export_readings")
    assert "&quot;note&quot;" in find_operation(page, "acknowledge_alarm")
    entered = find_operation(page, "enter_band_period")
    assert "-d '{&quot;band&quot;: &quot;Ponta&quot;" in entered.replace("&#x27;", "'")


def test_it_links_to_nothing_that_is_not_there() -> None:
    page = open_page()
    marks = re.findall(r'\bid="([^"]+)"', page)
    assert len(marks) == len(set(marks))
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert len(links) > 30
    assert links <= set(marks)


def test_it_loads_the_sheet_and_the_theme_of_all_pages_and_is_light() -> None:
    page = open_page()
    assert re.findall(r'<script[^>]*src="([^"]+)"', page) == ["/static/telemetry/theme.js"]
    assert page.count("<script") == 1
    sheets = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
    assert sheets == ["/static/telemetry/site.css"]
    parts = [
        Client().get(address).getvalue() for address in (*sheets, "/static/telemetry/theme.js")
    ]
    sent = Client(headers={"accept-encoding": "gzip"}).get(PAGE).content
    assert len(sent) + sum(map(len, parts)) < MOST_BYTES


def test_it_speaks_both_languages_and_has_the_policy_of_all_pages() -> None:
    assert '<html lang="pt-br">' in open_page(accept_language="pt-BR")
    policy = Client().get(PAGE).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_it_escapes_what_the_document_says() -> None:
    document = api.get_openapi_schema()
    hostile = "<script>alert(1)</script>"
    for _, _, operation in list_operations(document):
        operation.update(summary=hostile, description=hostile, tags=[hostile])
        for parameter in operation["parameters"]:
            parameter.update(name=hostile, description=hostile)
    page = render_to_string("telemetry/api/docs.html", {"reference": read_document(document)})
    assert hostile not in page
    assert page.count(escape(hostile)) > 60


def test_it_shows_every_text_in_portuguese() -> None:
    reference = read_reference(api)
    operations = [operation for _, of_tag in reference.parts for operation in of_tag]
    answers = [*reference.errors, *(one for of in operations for one in of.answers)]
    fields = [
        *(one for of in operations for one in of.parameters),
        *(one for answer in answers for one in answer.fields),
    ]
    texts = {
        *(tag for tag, _ in reference.parts),
        *(operation.summary for operation in operations),
        *(text for operation in operations for text in operation.paragraphs),
        *(one.description for one in (*answers, *fields)),
    }
    shown = {" ".join(text.split()) for text in texts} - {""}
    assert shown - set(DESCRIBED) == set(), "enter them in telemetry/api/described.py"
    assert set(DESCRIBED) - shown == set(), "remove them from telemetry/api/described.py"
    with override("pt-br"):
        same = [text for text in DESCRIBED if translated(text) == text]
    assert same == ["OK"]
