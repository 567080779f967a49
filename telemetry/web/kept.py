"""Parts of pages that are the same for every member who looks: rendered once, kept for seconds.

Many members have the same page open, and all of them ask again when something changed. What a part
shows is settled by the account, the language, the address's parameters and the tag of what it is
made of (`telemetry.store.reads.freshness`). Names of devices are in no tag: hence the seconds.

Each web process keeps its own, in a cache in memory that holds few (`config/settings.py`).
"""

from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from weakref import WeakValueDictionary

from django.core.cache import caches
from django.utils import translation
from django.utils.safestring import SafeString
from msgspec import Struct

from telemetry.web.pages import AccountRequest

LONGEST_WAIT_S = 2
"""For another thread that renders the same; then this one does it too."""

_locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()


class Parts(Struct, frozen=True):
    """HTML by name, and the status of a page that shows it."""

    html: dict[str, SafeString]
    status: int = 200


def keep_parts(
    request: AccountRequest, *, name: str, tag: str, seconds: float, render: Callable[[], Parts]
) -> Parts:
    """What `render` makes, at most so many seconds old. Below `account_page` only: whoever may not
    see the account must not get here."""
    account, cache = request.account, caches["parts"]
    about = (
        name, account.pk, account.time_zone, account.billing_day, translation.get_language(),
        request.GET.urlencode(), tag,
    )  # fmt: skip
    key = f"parts-{blake2b(repr(about).encode(), digest_size=16).hexdigest()}"
    kept: Parts | None = cache.get(key)
    if kept is not None:
        return kept
    lock = _locks.setdefault(key, Lock())
    is_first = lock.acquire(timeout=LONGEST_WAIT_S)
    try:
        kept = cache.get(key)
        if kept is None:
            kept = render()
            cache.set(key, kept, seconds)
        return kept
    finally:
        if is_first:
            lock.release()
