"""Conditional GET for parts of open pages: 304 until something changed.

A page names the address in `data-live`; `live.js` asks it every few seconds with the tag of the
last answer, and swaps the elements that have the same `data-part`.
"""

from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from typing import Concatenate, ParamSpec

from django.http import HttpResponseBase
from django.urls import reverse
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition

from telemetry.store.reads.freshness import Freshness, read_freshness
from telemetry.web.account_page import AccountRequest

Args = ParamSpec("Args")
View = Callable[Concatenate[AccountRequest, Args], HttpResponseBase]
Tag = Callable[Concatenate[AccountRequest, Args], str]


def get_freshness(request: AccountRequest) -> Freshness:
    """How far the account's data reaches, read once for each request."""
    if not hasattr(request, "freshness"):
        request.freshness = read_freshness(request.account.pk)
    return request.freshness


def make_address(request: AccountRequest, name: str, *args: int) -> str:
    """The address of a part, with the parameters of the page."""
    query = request.GET.urlencode()
    path = reverse(name, args=[request.account.pk, *args])
    return f"{path}?{query}" if query else path


def make_etag(request: AccountRequest, state: str) -> str:
    """The entity tag of a part, for the language of the request.

    A page that shows the part gives it in `data-tag`: then its first request can be answered 304.
    """
    about = f"{translation.get_language()} {request.account.pk} {state}"
    return f'"{blake2b(about.encode(), digest_size=12).hexdigest()}"'


def conditional(tag: Tag[Args]) -> Callable[[View[Args]], View[Args]]:
    """Answer 304 while `tag` (one cheap query) says the same. Below `account_page`."""

    def write_etag(request: AccountRequest, *args: Args.args, **kwargs: Args.kwargs) -> str:
        return make_etag(request, tag(request, *args, **kwargs))

    def decorate(view: View[Args]) -> View[Args]:
        guarded = condition(etag_func=write_etag)(view)
        return wraps(view)(cache_control(private=True, no_cache=True)(guarded))

    return decorate
