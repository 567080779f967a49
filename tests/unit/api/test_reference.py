"""What the documentation page shows of an OpenAPI document."""

from typing import Any

import pytest

from telemetry.api.fields import Field, list_fields, make_field, resolve
from telemetry.api.reference import read_document
from telemetry.templatetags.inline_code import mark_code

SCHEMAS: dict[str, Any] = {
    "Site": {
        "type": "object",
        "description": "A place.",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "maxLength": 9},
            "seen": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        },
    },
    "Sites": {
        "type": "object",
        "required": ["items", "kind"],
        "properties": {
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/Site"}},
            "kind": {"enum": ["", "near"], "type": "string"},
        },
    },
    "Note": {"type": "object", "properties": {"note": {"type": "string", "default": "-"}}},
}
PROBLEM = {"description": "Not found", "content": {"application/problem+json": {"schema": {}}}}


def describe(answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An operation as django-ninja describes it."""
    return {
        "operationId": "read_site",
        "tags": ["sites"],
        "summary": "One site",
        "description": "First.\n\nSecond.\n\nScope: `read`.",
        "parameters": [],
        "security": [{"TokenAuth": ["read"]}, {"SessionAuth": []}],
        "responses": {200: answer, "404": {"$ref": "#/components/responses/Problem404"}},
        **more,
    }


def make_document(**operations: dict[str, Any]) -> dict[str, Any]:
    return {
        "info": {"version": "1.2"},
        "paths": {"/v1/sites/{site_id}": operations},
        "components": {"schemas": SCHEMAS, "responses": {"Problem404": PROBLEM}},
    }


JSON_ANSWER = {
    "description": "OK",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sites"}}},
}


def show(schema: dict[str, Any]) -> Field:
    shape = resolve(schema, make_document())
    return make_field("x", shape, location="query", is_required=False)


def test_it_lists_fields_of_fields_and_of_items() -> None:
    rows = list_fields({"$ref": "#/components/schemas/Sites"}, document=make_document())
    assert [(row.name, row.type, row.is_required) for row in rows] == [
        ("items", "array of object", True),
        ("items[].name", "string", True),
        ("items[].seen", "string (date-time) or null", False),
        ("kind", "string", True),
    ]


@pytest.mark.parametrize(
    ("schema", "type_", "rules"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 2**63 - 1}, "integer", ("≥ 1",)),
        ({"type": "string", "maxLength": 9, "pattern": "^a$"}, "string",
            ("length ≤ 9", "pattern ^a$")),
        ({"type": "array", "maxItems": 3, "items": {"type": "integer", "minimum": 0}},
            "array of integer", ("≥ 0", "items ≤ 3")),
        ({"anyOf": [{"type": "integer", "maximum": 5}, {"type": "null"}]}, "integer or null",
            ("≤ 5",)),
        ({"allOf": [{"$ref": "#/components/schemas/Site"}]}, "object", ()),
        ({}, "any", ()),
    ],
    ids=["an integer", "a text", "a list with bound items", "nullable", "a reference", "anything"],
)  # fmt: skip
def test_it_names_the_type_and_its_bounds(
    schema: dict[str, Any], type_: str, rules: tuple[str, ...]
) -> None:
    assert (show(schema).type, show(schema).rules) == (type_, rules)


def test_it_takes_the_words_of_what_is_referred_to_when_there_are_no_own() -> None:
    reference = {"$ref": "#/components/schemas/Site"}
    assert show(reference).description == "A place."
    assert show({**reference, "description": "Mine."}).description == "Mine."
    assert show({"type": "array", "items": reference}).description == "A place."


def test_it_shows_choices_and_defaults_but_no_empty_default() -> None:
    assert show({"type": "string", "enum": ["", "near"]}).choices == ('""', "near")
    values: tuple[Any, ...] = (100, "newest", "", [], None)
    defaults = [show({"default": value}).default for value in values]
    assert defaults == ["100", "newest", "", "", ""]


def test_it_tells_scope_and_answers_apart_from_the_words() -> None:
    reference = read_document(make_document(get=describe(JSON_ANSWER)))
    [(tag, [operation])] = reference.parts
    assert (reference.version, tag, operation.method) == ("1.2", "sites", "GET")
    assert (operation.paragraphs, operation.scope) == (("First.", "Second."), "read")
    assert operation.example_path == "/v1/sites/1"
    [answer] = operation.answers
    assert (answer.status, answer.media, len(answer.fields)) == ("200", ("application/json",), 4)
    assert operation.errors == reference.errors
    assert (reference.errors[0].status, reference.errors[0].description) == ("404", "Not found")


def test_it_shows_the_body_with_the_parameters() -> None:
    schema = {"allOf": [{"$ref": "#/components/schemas/Note"}], "default": {"note": ""}}
    parameter = {"name": "site_id", "in": "path", "required": True, "schema": {"type": "integer"}}
    given = describe(
        {"description": "Done"},
        parameters=[parameter],
        requestBody={"content": {"application/json": {"schema": schema}}},
    )
    [(_, [operation])] = read_document(make_document(post=given)).parts
    assert [(field.name, field.location, field.default) for field in operation.parameters] == [
        ("site_id", "path", ""),
        ("note", "body", "-"),
    ]
    assert operation.example_body == '{"note": ""}'
    assert operation.answers[0].fields == ()


def test_it_marks_code_and_escapes_everything() -> None:
    assert mark_code("a `<b>` & c") == "a <code>&lt;b&gt;</code> &amp; c"
