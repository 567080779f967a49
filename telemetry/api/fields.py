"""JSON schemas as rows: references followed, fields of fields behind them. No Django in here."""

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

Json = dict[str, Any]

SIGNS = {
    "minimum": "≥", "maximum": "≤", "minLength": "length ≥", "maxLength": "length ≤",
    "minItems": "items ≥", "maxItems": "items ≤", "pattern": "pattern",
}  # fmt: skip
FORMATS = ("decimal", "date-time")
"""Their patterns say no more than their names."""
LARGEST = 2**63 - 1
"""What every number in the database is below: no news."""


class Field(Struct, frozen=True):
    """A parameter, or a field of a body. `location`: path, query, body; empty in an answer.

    Fields of fields have dotted names, those of a list's items `items[].time`.
    """

    name: str
    location: str
    type: str
    rules: tuple[str, ...]
    choices: tuple[str, ...]
    is_required: bool
    default: str
    description: str


def list_fields(
    schema: Json, *, document: Json, location: str = "", prefix: str = ""
) -> Iterator[Field]:
    """A row for each field, those of fields and items behind it."""
    shape = resolve(schema, document)
    needed = shape.get("required", ())
    for name, part in shape.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield make_field(
            path, resolve(part, document), location=location, is_required=name in needed
        )
        yield from list_fields(part, document=document, location=location, prefix=f"{path}.")
    if "items" in shape:
        into = f"{prefix.removesuffix('.')}[]."
        yield from list_fields(shape["items"], document=document, location=location, prefix=into)


def make_field(name: str, shape: Json, *, location: str, is_required: bool) -> Field:
    """A row of a shape that is resolved."""
    # A list is bound by its own rules and by those of its items. A format says more than a pattern.
    bound = {**shape.get("items", {}), **shape}
    default = shape.get("default")
    return Field(
        name=name,
        location=location,
        type=shape["type_name"],
        rules=tuple(
            f"{sign} {bound[rule]}"
            for rule, sign in SIGNS.items()
            if bound.get(rule, LARGEST) != LARGEST
            and not (rule == "pattern" and bound.get("format") in FORMATS)
        ),
        choices=tuple(str(choice) or '""' for choice in bound.get("enum", ())),
        is_required=is_required,
        default="" if not default else default if isinstance(default, str) else json.dumps(default),
        description=bound.get("description", ""),
    )


def resolve(schema: Json, document: Json) -> Json:
    """The schema without references and choices; `type_name` names its type."""
    own = dict(schema)
    choices = own.pop("anyOf", own.pop("allOf", ()))
    if "$ref" in own:
        choices = [follow(own.pop("$ref"), document)]
    resolved = [resolve(choice, document) for choice in choices]
    if resolved:
        return {
            **resolved[0],
            **own,
            "type_name": " or ".join(one["type_name"] for one in resolved),
        }
    if "items" in own:
        own["items"] = resolve(own["items"], document)
        return {**own, "type_name": f"array of {own['items']['type_name']}"}
    kind, form = own.get("type", "any"), own.get("format")
    return {"type_name": f"{kind} ({form})" if form else kind, **own}


def follow(reference: str, document: Json) -> Json:
    """The part of the document at `#/...`."""
    node = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node
