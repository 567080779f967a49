"""What gateways say of their connections: `{prefix}/devices/{mac}/status`, by a last will as well.

It is passed on apart from telemetry. A status that is lost with this process is no loss: silence
tells the same, later.
"""

import time

from redis import Redis

from telemetry.core.batch import RawMessage
from telemetry.core.presence import STATUSES
from telemetry.core.topic import compile_status_topic, parse_topic
from telemetry.queue.statuses import note_statuses


class PresenceReport:
    """Statuses that were heard of and are not passed on yet."""

    def __init__(self, redis: Redis, *, prefix: str) -> None:
        self._redis = redis
        self._pattern = compile_status_topic(prefix)
        self._statuses: dict[str, bool] = {}

    def take(self, message: RawMessage) -> bool:
        """Note a status; False when the message is none."""
        mac = parse_topic(message.topic, self._pattern)
        is_online = STATUSES.get(message.payload)
        if mac is None or is_online is None:
            return False
        self._statuses[mac] = is_online
        return True

    def report(self) -> None:
        """Pass on what is new. Raises `redis.RedisError`; it is kept then."""
        if self._statuses:
            note_statuses(self._redis, self._statuses, now_s=time.time())
            self._statuses = {}
