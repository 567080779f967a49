"""Pages that remember nothing, as if a web process had just started: tests change what nobody
changes behind the application's back. The cache is tested in `test_fragment_cache.py`."""

import os
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.web.mails import SITE, Mails


@pytest.fixture(autouse=True)
def forgetful(settings: Any) -> None:
    """No cache between two looks."""
    dummy = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
    settings.CACHES = {"default": dummy, "fragments": dummy}


@pytest.fixture
def mails(queue: Any, settings: Any) -> Mails:
    """A site that sends e-mail, with an empty Redis in which it queues and counts."""
    options = settings.OPTIONS
    settings.OPTIONS = replace(
        options,
        mail=replace(options.mail, url="smtp+plain://mail.example", site_url=SITE),
        redis=replace(options.redis, url=os.environ["REDIS_URL"]),
    )
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    return Mails(queue.redis)
