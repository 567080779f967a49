"""What staff see in the admin: every account, or those given to them; each page checks its own
permissions as well."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase
from django.views.defaults import permission_denied
from psycopg.errors import InsufficientPrivilege

from telemetry.accounts.staff import open_given, sees_every_account
from telemetry.store.db.account_scope import open_every_account


class AdminScope:
    """Opens accounts for staff in the admin, and there alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_view(self, request: Any, *_: object) -> None:
        """Called when the address is resolved and the user is known."""
        if request.resolver_match.app_name == "admin" and _has_nul(request):
            raise BadRequest("a parameter has a NUL, which the database cannot compare with")
        is_staff = request.user.is_active and request.user.is_staff
        if not is_staff or request.resolver_match.app_name != "admin":
            return
        if sees_every_account(request.user):
            open_every_account()
        else:
            open_given(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> Any:
        """What the wall of the database stops is forbidden, and no error: a row that would
        belong to another account, or to none."""
        if isinstance(exception.__cause__, InsufficientPrivilege):
            return permission_denied(request, exception)
        return None


def _has_nul(request: HttpRequest) -> bool:
    """Whether any parameter has one. Forms refuse it by themselves, lists and actions do not."""
    return any(
        "\0" in text
        for parameters in (request.GET, request.POST)
        for name, values in parameters.lists()
        for text in (name, *values)
    )
