"""What holds for every response below /api/: problems, caching, rate limits, HEAD."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext

from telemetry.api.problems import MEDIA_TYPE, NOTHING_HERE, find_kind, render_problem

PREFIX = "/api/"
OF_CONTENT = frozenset({"Content-Type", "Content-Length", "Content-Disposition"})


def api_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The outermost middleware: every error of Django and of the other middleware passes here."""

    def respond(request: HttpRequest) -> Any:
        if not request.path_info.startswith(PREFIX):
            return get_response(request)
        method = request.method
        if method == "HEAD":  # the server sends headers alone
            request.method = "GET"
        response = get_response(request)
        request.method = method
        if method == "HEAD" and response.streaming:
            response.streaming_content = ()
        if response.status_code >= 400 and response.headers["Content-Type"] != MEDIA_TYPE:
            response = _explain(response, request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        for name, values in getattr(request, "rate_limits", {}).items():
            response.headers[name] = ", ".join(values)
        patch_vary_headers(response, ["Authorization", "Cookie"])
        return response

    return respond


def _explain(response: Any, request: HttpRequest) -> HttpResponse:
    """The problem details of a response that has only a status."""
    status = response.status_code
    if status == 404:
        detail = gettext(NOTHING_HERE)
    elif status == 405:
        detail = gettext("%(method)s: expected %(allowed)s at this address.") % {
            "method": request.method,
            "allowed": response.headers["Allow"],
        }
    elif status >= 500:
        detail = gettext(
            "The error was recorded. Try again; if it lasts, tell us when it happened."
        )
    else:
        detail = gettext("The request was rejected before it was read.")
    headers = {name: text for name, text in response.headers.items() if name not in OF_CONTENT}
    return render_problem(find_kind(status), detail, headers=headers)
