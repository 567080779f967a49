"""Pages that remember nothing, as if a web process had just started: tests change what nobody
changes behind the application's back. The cache is tested in `test_fragment_cache.py`."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def forgetful(settings: Any) -> None:
    """No cache between two looks."""
    dummy = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
    settings.CACHES = {"default": dummy, "fragments": dummy}
