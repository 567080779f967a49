"""How many requests and exports a user may send, counted by minute over all processes."""

import time

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_noop
from msgspec import Struct

from telemetry.accounts.counter import find_counter
from telemetry.api.problems import RATE_LIMITED, ProblemError

WINDOW_S = 60


class Policy(Struct, frozen=True):
    """Something that is counted. `setting`: the field of `ApiOptions` that holds the limit."""

    name: str
    setting: str


REQUESTS = Policy("requests", "requests_per_minute")
EXPORTS = Policy("exports", "exports_per_minute")


def count_against(policy: Policy, request: HttpRequest, *, user_id: int) -> None:
    """Count one; the response says how many are left. Raises `ProblemError` above the limit."""
    most: int = getattr(settings.OPTIONS.api, policy.setting)
    if most == 0:
        return
    window, elapsed_s = divmod(int(time.time()), WINDOW_S)
    key = f"api:{policy.name}:{user_id}:{window}"
    counted = find_counter(settings.OPTIONS.redis).count(key, window_s=WINDOW_S)
    if counted is None:
        return
    left_s = WINDOW_S - elapsed_s
    headers: dict[str, list[str]] = request.__dict__.setdefault("rate_limits", {})
    headers.setdefault("RateLimit-Policy", []).append(f'"{policy.name}";q={most};w={WINDOW_S}')
    left = max(0, most - counted)
    headers.setdefault("RateLimit", []).append(f'"{policy.name}";r={left};t={left_s}')
    if counted > most:
        raise ProblemError(
            RATE_LIMITED,
            gettext_noop("At most %(most)d %(what)s a minute: try again in %(seconds)d s."),
            values={"most": most, "what": policy.name, "seconds": left_s},
            headers={"Retry-After": str(left_s)},
        )
