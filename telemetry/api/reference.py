"""The OpenAPI document as the documentation page shows it. No Django in here."""

import json
import re
from itertools import groupby

from msgspec import Struct

from telemetry.api.fields import Field, Json, follow, list_fields, make_field, resolve


class Answer(Struct, frozen=True):
    """What may come back."""

    status: str
    description: str
    media: tuple[str, ...]
    fields: tuple[Field, ...]


class Operation(Struct, frozen=True):
    """A method on a path. `errors`: the answers that it shares with others, so shown once."""

    id: str
    tag: str
    method: str
    path: str
    summary: str
    paragraphs: tuple[str, ...]
    scope: str
    parameters: tuple[Field, ...]
    answers: tuple[Answer, ...]
    errors: tuple[Answer, ...]
    example_path: str
    example_body: str


class Reference(Struct, frozen=True):
    """Operations by tag, and the answers that they share."""

    version: str
    parts: tuple[tuple[str, tuple[Operation, ...]], ...]
    errors: tuple[Answer, ...]


def read_document(document: Json) -> Reference:
    """What the page shows. Operations of a tag must be neighbours."""
    operations = [
        _read_operation(operation, document=document, method=method, path=path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    shared = {error.status: error for operation in operations for error in operation.errors}
    parts = groupby(operations, key=lambda operation: operation.tag)
    return Reference(
        version=document["info"]["version"],
        parts=tuple((tag, tuple(operations)) for tag, operations in parts),
        errors=tuple(shared[status] for status in sorted(shared)),
    )


def _read_operation(operation: Json, *, document: Json, method: str, path: str) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = body.get("schema", {})
    scopes = [scope for way in operation["security"] for of in way.values() for scope in of]
    paragraphs = operation["description"].split("\n\n")
    answers: dict[bool, list[Answer]] = {False: [], True: []}
    for status, answer in operation["responses"].items():
        described = _read_answer(answer, document=document, status=str(status))
        answers["$ref" in answer].append(described)
    return Operation(
        id=operation["operationId"],
        tag=operation["tags"][0],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        # The scope is shown apart.
        paragraphs=tuple(text for text in paragraphs if not text.startswith("Scope:")),
        scope=", ".join(scopes),
        parameters=(
            *(
                _read_parameter(parameter, document=document)
                for parameter in operation["parameters"]
            ),
            *list_fields(schema, document=document, location="body"),
        ),
        answers=tuple(answers[False]),
        errors=tuple(answers[True]),
        example_path=re.sub(r"\{\w+\}", "1", path),
        example_body=_write_example(schema, document=document) if schema else "",
    )


def _write_example(schema: Json, *, document: Json) -> str:
    """The example of a body, else its default."""
    example = resolve(schema, document).get("example", schema.get("default", {}))
    return json.dumps(example, ensure_ascii=False)


def _read_parameter(parameter: Json, *, document: Json) -> Field:
    schema = {"description": parameter.get("description", ""), **parameter["schema"]}
    return make_field(
        parameter["name"],
        resolve(schema, document),
        location=parameter["in"],
        is_required=parameter["required"],
    )


def _read_answer(answer: Json, *, document: Json, status: str) -> Answer:
    shown = follow(answer["$ref"], document) if "$ref" in answer else answer
    content = shown.get("content", {})
    schema: Json = next((of["schema"] for of in content.values()), {})
    return Answer(
        status=status,
        description=shown["description"],
        media=tuple(content),
        fields=tuple(list_fields(schema, document=document)),
    )
