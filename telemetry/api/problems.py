"""Errors as RFC 9457 problem details: what can go wrong, and the responses that tell it.

`ProblemError` is raised by the API's own code. Whatever else ends with a status of 400 or more
below /api/ (an unknown address, a method that is not allowed, a bug) becomes a problem in
`telemetry.api.middleware`.

Titles and details are in the language that `Accept-Language` asks for, as far as they are texts of
ours; `type` is the same in all. What is wrong with a parameter is said in English.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext, gettext_noop
from msgspec import Struct, to_builtins

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:tds-telemetry:problem:"


class Kind(Struct, frozen=True):
    """A kind of problem. `slug` ends its type URI, by which programs tell kinds apart."""

    slug: str
    status: int
    title: str


BAD_REQUEST = Kind("bad-request", 400, gettext_noop("The request cannot be read"))
UNAUTHENTICATED = Kind("unauthenticated", 401, gettext_noop("Sign in or send a token"))
INVALID_TOKEN = Kind("invalid-token", 401, gettext_noop("The token is not accepted"))
CSRF_FAILED = Kind("csrf-failed", 403, gettext_noop("The CSRF token is missing or wrong"))
MISSING_SCOPE = Kind("missing-scope", 403, gettext_noop("The token lacks a scope"))
ROLE_TOO_LOW = Kind("role-too-low", 403, gettext_noop("Your role does not allow this"))
NOT_FOUND = Kind("not-found", 404, gettext_noop("Not found"))
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, gettext_noop("The method is not allowed here"))
NOT_POSSIBLE = Kind("not-possible", 409, gettext_noop("Not possible as things are"))
TOO_LARGE = Kind("too-large", 413, gettext_noop("The body is too large"))
INVALID_PARAMETERS = Kind("invalid-parameters", 422, gettext_noop("Parameters are wrong"))
RATE_LIMITED = Kind("rate-limited", 429, gettext_noop("Too many requests"))
INTERNAL = Kind("internal-error", 500, gettext_noop("Something broke on our side"))
UNAVAILABLE = Kind("unavailable", 503, gettext_noop("Not available right now"))

KINDS = (
    BAD_REQUEST, UNAUTHENTICATED, INVALID_TOKEN, CSRF_FAILED, MISSING_SCOPE, ROLE_TOO_LOW,
    NOT_FOUND, METHOD_NOT_ALLOWED, NOT_POSSIBLE, TOO_LARGE, INVALID_PARAMETERS, RATE_LIMITED,
    INTERNAL, UNAVAILABLE,
)  # fmt: skip

NOTHING_HERE = gettext_noop("There is nothing at this address, or nothing that you may see.")


class InvalidParameter(Struct, frozen=True, rename={"location": "in"}):
    """What is wrong with one parameter. `location`: path, query or body."""

    location: str
    name: str
    detail: str


class ProblemError(Exception):
    """Ends the request with a problem. `values` are put into the detail, in whatever language."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        values: Mapping[str, Any] | None = None,
        invalid: Sequence[InvalidParameter] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind, self._form, self._values = kind, detail, values
        self.detail = detail % values if values else detail
        super().__init__(f"{kind.slug}: {self.detail}")
        self.invalid, self.headers = invalid, headers or {}

    def say(self) -> str:
        """The detail in the language of the request."""
        text = gettext(self._form)
        return text % self._values if self._values else text


class NotFoundError(ProblemError):
    """Missing, or another account's: nobody can tell which."""

    def __init__(self) -> None:
        super().__init__(NOT_FOUND, NOTHING_HERE)


class ParameterError(ProblemError):
    """One query parameter is wrong."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(
            INVALID_PARAMETERS,
            f"{name}: {detail}.",
            invalid=[InvalidParameter("query", name, detail)],
        )


def render_problem(
    kind: Kind,
    detail: str,
    *,
    invalid: Sequence[InvalidParameter] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The response. `errors` is there when parameters are to blame."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + kind.slug,
        "title": gettext(kind.title),
        "status": kind.status,
        "detail": detail,
    }
    if invalid:
        body["errors"] = to_builtins(invalid)
    return HttpResponse(
        json.dumps(body), status=kind.status, content_type=MEDIA_TYPE, headers=headers
    )


def render_error(error: ProblemError) -> HttpResponse:
    """The response to an error that was raised."""
    return render_problem(error.kind, error.say(), invalid=error.invalid, headers=error.headers)


def find_kind(status: int) -> Kind:
    """The kind of a response that has only a status."""
    for kind in (BAD_REQUEST, NOT_FOUND, METHOD_NOT_ALLOWED, INTERNAL, UNAVAILABLE):
        if kind.status == status:
            return kind
    phrase = HTTPStatus(status).phrase
    return Kind(phrase.lower().replace(" ", "-"), status, phrase)
