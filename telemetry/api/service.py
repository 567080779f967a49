"""The API as a whole: its routes, the responses to errors, its document."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from telemetry.api.docs import Docs
from telemetry.api.openapi import DESCRIPTION, complete_document
from telemetry.api.problems import (
    BAD_REQUEST,
    INVALID_PARAMETERS,
    TOO_LARGE,
    UNAVAILABLE,
    InvalidParameter,
    ParameterError,
    ProblemError,
    render_error,
    render_problem,
)
from telemetry.api.routes import (
    accounts,
    aggregates,
    alarm_rules,
    alarms,
    band_periods,
    bands,
    dead_letters,
    edits,
    export,
    findings,
    fleet,
    installations,
    notes,
    readings,
    report,
    statements,
    totals,
    virtual_meters,
)

log = structlog.get_logger("telemetry.api")


class Api(NinjaAPI):
    """django-ninja with a document that names every error."""

    def get_openapi_schema(self, **kwargs: Any) -> Any:
        """The OpenAPI document."""
        return complete_document(super().get_openapi_schema(**kwargs))

    def get_openapi_operation_id(self, operation: Any) -> str:
        """The name of the function, which is unique in the API."""
        return str(operation.view_func.__name__)


def reject_unknown_parameters(view: Callable[..., Any]) -> Callable[..., Any]:
    """Reject a parameter that the route does not have: `from=` would select nothing, unnoticed."""
    operation: Any = view._ninja_operation  # type: ignore[attr-defined]
    known = {
        name
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name in model.__ninja_flatten_map__
    }

    @wraps(view)
    def checked(request: HttpRequest, **kwargs: Any) -> Any:
        for name in request.GET:
            if name not in known:
                has = ", ".join(sorted(known)) or "none"
                raise ParameterError(name[:100], f"not known here; known are: {has}")
        return view(request, **kwargs)

    return checked


def explain_validation(_request: HttpRequest, error: Any) -> HttpResponse:
    """422, with each parameter that is wrong."""
    invalid = []
    for detail in error.errors:
        location, *path = detail["loc"]
        name = ([location] + [part for part in path if isinstance(part, str)])[-1]
        invalid.append(
            InvalidParameter(location, name, detail["msg"].removeprefix("Value error, "))
        )
    detail = "; ".join(f"{parameter.name}: {parameter.detail}" for parameter in invalid[:3])
    return render_problem(INVALID_PARAMETERS, f"{detail}.", invalid=invalid)


def explain_size(_request: HttpRequest, _error: Any) -> HttpResponse:
    """413, before the body was read."""
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    text = gettext("The body is too large: expected at most %(most)d bytes.")
    return render_problem(TOO_LARGE, text % {"most": most})


def explain_outage(request: HttpRequest, error: Any) -> HttpResponse:
    """503: the database is away, or took too long."""
    log.error("database_unavailable", path=request.path, error=str(error))
    return render_problem(
        UNAVAILABLE,
        gettext("The database does not answer: try again in some seconds."),
        headers={"Retry-After": "5"},
    )


def leave_to_django(_request: HttpRequest, error: Any) -> HttpResponse:
    """A bug, or a request that Django rejects: Django logs it, and the middleware responds."""
    raise error


EXPLANATIONS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    ProblemError: lambda _request, error: render_error(error),
    ValidationError: explain_validation,
    HttpError: lambda _request, error: render_problem(BAD_REQUEST, f"{error}."),
    RequestDataTooBig: explain_size,
    OperationalError: explain_outage,
    InterfaceError: explain_outage,
    Exception: leave_to_django,
}


def build_api() -> Api:
    """Put the API together."""
    api = Api(
        title="TDS Telemetry",
        version="1.0.0",
        description=DESCRIPTION,
        urls_namespace="api",
        docs=Docs(),
    )
    for part in (
        accounts,
        fleet,
        notes,
        readings,
        export,
        aggregates,
        totals,
        report,
        bands,
        band_periods,
        statements,
        virtual_meters,
        alarms,
        alarm_rules,
        dead_letters,
        edits,
        installations,
        findings,
    ):
        api.add_router("", part.router)
    api.add_decorator(reject_unknown_parameters)
    for kind, explain in EXPLANATIONS.items():
        api.add_exception_handler(kind, explain)
    return api


api = build_api()
