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

from telemetry.web.pages import AccountRequest

Given = ParamSpec("Given")
View = Callable[Concatenate[AccountRequest, Given], HttpResponseBase]
Tag = Callable[Concatenate[AccountRequest, Given], str]


def live(tag: Tag[Given]) -> Callable[[View[Given]], View[Given]]:
    """Answer 304 while `tag` (one cheap query) says the same. Below `account_page`."""

    def write_etag(request: AccountRequest, *args: Given.args, **kwargs: Given.kwargs) -> str:
        words = f"{translation.get_language()} {request.account.pk} {tag(request, *args, **kwargs)}"
        return f'"{blake2b(words.encode(), digest_size=12).hexdigest()}"'

    def decorate(view: View[Given]) -> View[Given]:
        guarded = condition(etag_func=write_etag)(view)
        return wraps(view)(cache_control(private=True, no_cache=True)(guarded))

    return decorate
