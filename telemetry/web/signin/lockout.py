"""The answer to who failed too often."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

MINUTES = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)


def render_lockout(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """Status 429: too many failures from here."""
    answer = render(request, "telemetry/signin/locked.html", {"minutes": MINUTES}, status=429)
    answer.headers["Retry-After"] = str(MINUTES * 60)
    return answer
