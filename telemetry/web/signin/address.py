"""Whose address a request comes from."""

from django.conf import settings
from django.http import HttpRequest


def read_client_address(request: HttpRequest) -> str | None:
    """The address that the outermost of our proxies saw; without proxies the one that connects.

    Each proxy appends what it saw, so the client's own entries are further left and are
    ignored. None when the header is shorter than it must be: then only the name counts.
    """
    proxies: int = settings.OPTIONS.proxies
    if not proxies:
        return request.META.get("REMOTE_ADDR")
    seen = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return seen[-proxies].strip() or None if len(seen) >= proxies else None
