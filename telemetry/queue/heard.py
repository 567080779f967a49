"""What the worker processes of the pools tell each other: which gateways got something in.

Each claims a part of the batches only. Nothing is told while most gateways are served.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from redis import Redis

from telemetry.core.batch import GUARD_HEARD_KEY

_SCRIPT = Path(__file__).parent / "lua" / "tell.lua"


class Told(Struct, frozen=True):
    """MACs of gateways that got nothing in and of those that got something in, with numbers of
    seconds: ages where it is sent, times of the caller's clock elsewhere."""

    rejected: dict[str, float]
    served: dict[str, float]


class HeardExchange:
    """One process's end of it. Every call may raise `redis.RedisError`."""

    def __init__(self, redis: Redis, *, window_s: float) -> None:
        """What is older than `window_s` is not told any more."""
        self._redis = redis
        self._window_s = window_s
        self._script = redis.register_script(_SCRIPT.read_text(encoding="utf-8"))
        self._read_us = 0

    def is_open(self) -> bool:
        """Whether a process has asked within the window."""
        return bool(self._redis.exists(GUARD_HEARD_KEY))

    def tell(
        self,
        *,
        rejected: Mapping[str, float],
        served: Mapping[str, float],
        now_s: float,
        is_asking: bool,
    ) -> Told:
        """Tell what this process heard, and when; what was told since the last call, in times of
        this process's clock. What `is_asking` tells makes the others answer.

        Ages are told, counted from the instant of the entry by Redis's clock, so that the clocks of
        hosts need not agree.
        """
        told = Told(
            {mac: now_s - at for mac, at in rejected.items()},
            {mac: now_s - at for mac, at in served.items()},
        )
        read_us, entries = self._script(
            keys=[GUARD_HEARD_KEY],
            args=[msgspec.json.encode(told), self._read_us, self._window_s, int(is_asking)],
        )
        self._read_us = int(read_us)
        learnt = Told({}, {})
        for body, at_us in zip(entries[::2], entries[1::2], strict=True):
            entry = msgspec.json.decode(body, type=Told)
            told_at = now_s - (self._read_us - float(at_us)) / 1_000_000
            _add(learnt.rejected, entry.rejected, told_at, since_s=now_s - self._window_s)
            _add(learnt.served, entry.served, told_at, since_s=now_s - self._window_s)
        return learnt


def _add(
    times: dict[str, float], ages: Mapping[str, float], told_at: float, *, since_s: float
) -> None:
    for mac, age_s in ages.items():
        at = told_at - age_s
        if at >= since_s:
            times[mac] = max(at, times.get(mac, at))
