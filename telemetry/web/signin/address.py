"""Whose address a request comes from, and by what its failures are counted."""

import ipaddress

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


def read_client_network(request: HttpRequest) -> str | None:
    """By what limits count a client: its address; of IPv6 the first 64 bits, within which everybody
    may choose another address for each request. None where it is not known."""
    try:
        address = ipaddress.ip_address(read_client_address(request) or "")
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
