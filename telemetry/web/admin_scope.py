"""The admin shows every account to staff; each page below it checks its own permissions."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from telemetry.store.db.account_scope import open_every_account


class AdminScope:
    """Opens every account for staff in the admin, and there alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_view(self, request: Any, *_: object) -> None:
        """Called when the address is resolved and the user is known."""
        is_staff = request.user.is_active and request.user.is_staff
        if is_staff and request.resolver_match.app_name == "admin":
            open_every_account()
