"""Parts of pages that are fetched again while they are open: answered only when something changed.

A page names the address in `data-live`; `live.js` asks it every few seconds with the tag of the
last answer, and swaps the elements that have the same `data-part`.
"""

from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from typing import Concatenate, ParamSpec

from django.http import HttpResponseBase
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition

from telemetry.store.reads.freshness import Freshness, read_freshness
from telemetry.web.pages import AccountRequest

Given = ParamSpec("Given")
View = Callable[Concatenate[AccountRequest, Given], HttpResponseBase]
Tag = Callable[Concatenate[AccountRequest, Given], str]


def look(request: AccountRequest) -> Freshness:
    """How far the account's data reaches, asked once for each request."""
    if not hasattr(request, "freshness"):
        request.freshness = read_freshness(request.account.pk)
    return request.freshness


def write_tag(request: AccountRequest, words: str) -> str:
    """The entity tag of a part, for the language of the request.

    A page that shows the part gives it in `data-tag`: then its first question can be answered 304.
    """
    about = f"{translation.get_language()} {request.account.pk} {words}"
    return f'"{blake2b(about.encode(), digest_size=12).hexdigest()}"'


def live(tag: Tag[Given]) -> Callable[[View[Given]], View[Given]]:
    """Answer 304 while `tag` (one cheap query) says the same. Below `account_page`."""

    def write_etag(request: AccountRequest, *args: Given.args, **kwargs: Given.kwargs) -> str:
        return write_tag(request, tag(request, *args, **kwargs))

    def decorate(view: View[Given]) -> View[Given]:
        guarded = condition(etag_func=write_etag)(view)
        return wraps(view)(cache_control(private=True, no_cache=True)(guarded))

    return decorate
