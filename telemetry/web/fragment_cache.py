"""A cache of fragments of pages: rendered once for all members, for seconds.

Many members have the same page open, and all of them ask again when something changed. What a part
shows is settled by the account, the language, the address's parameters and the tag of what it is
made of (`telemetry.store.reads.freshness`). Names of devices are in no tag: hence the seconds.

Each web process has its own small cache in memory (`config/settings.py`).
"""

from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from weakref import WeakValueDictionary

from django.core.cache import caches
from django.utils import translation
from django.utils.safestring import SafeString
from msgspec import Struct

from telemetry.web.account_page import AccountRequest

LONGEST_WAIT_S = 2
"""For another thread that renders the same; then this one does it too."""

_locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()


class Fragments(Struct, frozen=True):
    """HTML by name, and the status of a page that shows it."""

    html: dict[str, SafeString]
    status: int = 200


def cache_fragments(
    request: AccountRequest, *, name: str, tag: str, seconds: float, render: Callable[[], Fragments]
) -> Fragments:
    """The fragments that `render` makes, at most `seconds` old.

    Below `account_page` only: whoever may not see the account must not get here.
    """
    account, cache = request.account, caches["fragments"]
    about = (
        name, account.pk, account.time_zone, account.billing_day, translation.get_language(),
        request.GET.urlencode(), tag,
    )  # fmt: skip
    key = f"fragments-{blake2b(repr(about).encode(), digest_size=16).hexdigest()}"
    fragments: Fragments | None = cache.get(key)
    if fragments is not None:
        return fragments
    lock = _locks.setdefault(key, Lock())
    is_first = lock.acquire(timeout=LONGEST_WAIT_S)
    try:
        fragments = cache.get(key)
        if fragments is None:
            fragments = render()
            cache.set(key, fragments, seconds)
        return fragments
    finally:
        if is_first:
            lock.release()
