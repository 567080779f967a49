"""What django-ninja leaves out of the document: the problems, the scopes."""

from typing import Any

from telemetry.api.auth import SCOPE_MARK
from telemetry.api.problems import KINDS, MEDIA_TYPE, TYPE_PREFIX

DESCRIPTION = """\
Accounts, gateways, devices, readings, consumption, dead letters, alarms, edits, findings and notes
of the accounts that you are a member of.

- Send `Authorization: Bearer tds_...` with a personal token (Profile, API tokens). A token never
  allows more than your role in an account does.
- Decimal numbers are texts, exact. Instants are UTC (`Z`); days and months are the account's.
  Periods are half open: `since` or `first` belongs to it, `until` does not.
- Lists come in pages: follow `next` until it is null.
- What is missing and what is not yours answer with the same 404.
- Every error is `application/problem+json` (RFC 9457); `type` tells the kind.
- `RateLimit` says what is left of the minute; a 429 says in `Retry-After` when to go on.
"""

PROBLEM = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri",
            "enum": [TYPE_PREFIX + kind.slug for kind in KINDS],
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong with this request, in words"},
        "errors": {
            "type": "array",
            "description": "the parameters that are wrong",
            "items": {
                "type": "object",
                "required": ["in", "name", "detail"],
                "properties": {
                    "in": {"type": "string", "enum": ["path", "query", "body"]},
                    "name": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def complete_document(document: Any) -> Any:
    """Add to each operation what may go wrong, and which scope it needs."""
    components = document["components"]
    components["schemas"]["Problem"] = PROBLEM
    statuses = {kind.status: kind.title for kind in KINDS}
    components["responses"] = {
        f"Problem{status}": {
            "description": "; ".join(kind.title for kind in KINDS if kind.status == status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete_operation(operation, statuses=sorted(statuses))
    return document


def _complete_operation(operation: dict[str, Any], *, statuses: list[int]) -> None:
    scope = operation.pop(SCOPE_MARK)
    operation["security"] = [{"TokenAuth": [scope]}, {"SessionAuth": []}]
    summary, _, rest = operation["description"].partition("\n")
    operation["summary"] = summary.removesuffix(".")
    operation["description"] = f"{rest}\n\nScope: `{scope}`.".strip()
    for parameter in operation["parameters"]:
        parameter["schema"] = _without_null(parameter["schema"])
    for status in statuses:
        reference = {"$ref": f"#/components/responses/Problem{status}"}
        operation["responses"].setdefault(str(status), reference)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is left out instead of null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**choices[0], **rest}
