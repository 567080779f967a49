"""How much a gateway and an account may send: token buckets with a burst.

A message costs one token for each KiB that it begins, so that one number bounds messages and bytes.
Time is that of receipt: a backlog of ours is nobody's excess.

within the limit     stored at once
above it             excess: stored when nothing else waits
above the excess     rejected as `rate_limited`: one dead letter for each gateway and minute

A gateway that stays far below its limit is counted in this process alone. One that does not is
counted in Redis, for all processes together: a round trip for each batch that holds its messages.
"""

from collections.abc import Sequence

from msgspec import Struct
from redis import Redis

from config.options import LimitOptions
from telemetry.core.batch import RawMessage
from telemetry.core.reasons import Reason
from telemetry.core.validator import Rejection, ValidatedMessage
from telemetry.queue.limits import Buckets, Demand

LOCAL_SHARE = 8
"""A process counts by itself up to this fraction of a limit."""
LOUD_S = 60.0
MOST_NAMES = 100_000
BYTES_A_TOKEN = 1024


class _Local(Struct):
    """A bucket of this process; until `loud_until_s` all is asked of Redis."""

    tokens: float
    at_s: float
    loud_until_s: float = 0.0


class RateLimits:
    """Says which messages of a batch are excess, and which are too many even for that.

    Messages that no registered gateway sent are not limited here. Every call takes tokens, and may
    raise `redis.RedisError`. `now_s`: when the messages were received.
    """

    def __init__(self, options: LimitOptions, redis: Redis) -> None:
        self._options = options
        self._buckets = Buckets(redis)
        self._local: dict[str, _Local] = {}

    def find_excess(
        self,
        messages: Sequence[RawMessage],
        validated_messages: Sequence[ValidatedMessage],
        *,
        now_s: float,
    ) -> list[int]:
        """Positions of the messages that wait for all others."""
        by_gateway, by_account = _count(messages, validated_messages)
        demands = [
            *self._list_loud(by_gateway, self._options.gateway_rate, now_s),
            *self._list_loud(by_account, self._options.account_rate, now_s),
        ]
        if not demands:
            return []
        return self._cut(messages, validated_messages, demands, now_s=now_s)

    def find_too_many(
        self,
        messages: Sequence[RawMessage],
        validated_messages: Sequence[ValidatedMessage],
        *,
        now_s: float,
    ) -> list[int]:
        """Positions of the messages of excess that must be rejected."""
        by_gateway, by_account = _count(messages, validated_messages)
        options = self._options
        demands = [
            self._demand(f"excess:{name}", rate * options.excess_times, wanted)
            for spent, rate in (
                (by_gateway, options.gateway_rate),
                (by_account, options.account_rate),
            )
            if rate
            for name, wanted in spent.items()
        ]
        found = self._cut(messages, validated_messages, demands, now_s=now_s, prefix="excess:")
        if found:
            macs = sorted({validated_messages[index].mac for index in found})
            self._buckets.note_limited(macs, now_s=now_s)
        return found

    def _list_loud(self, spent: dict[str, int], rate: float, now_s: float) -> list[Demand]:
        if not rate:
            return []
        return [
            self._demand(name, rate, wanted)
            for name, wanted in spent.items()
            if self._is_loud(name, wanted, rate, now_s)
        ]

    def _is_loud(self, name: str, wanted: int, rate: float, now_s: float) -> bool:
        most = rate * self._options.burst_s / LOCAL_SHARE
        bucket = self._local.get(name)
        if bucket is None:
            if len(self._local) >= MOST_NAMES:
                self._local.clear()
            bucket = self._local[name] = _Local(most, now_s)
        elif now_s > bucket.at_s:
            bucket.tokens = min(most, bucket.tokens + (now_s - bucket.at_s) * rate / LOCAL_SHARE)
            bucket.at_s = now_s
        if bucket.tokens < wanted:
            bucket.loud_until_s = now_s + LOUD_S
            return True
        bucket.tokens -= wanted
        return now_s < bucket.loud_until_s

    def _demand(self, name: str, rate: float, wanted: int) -> Demand:
        return Demand(name, rate, rate * self._options.burst_s, wanted)

    def _cut(
        self,
        messages: Sequence[RawMessage],
        validated_messages: Sequence[ValidatedMessage],
        demands: list[Demand],
        *,
        now_s: float,
        prefix: str = "",
    ) -> list[int]:
        """Positions of the messages for which tokens do not suffice, in their order."""
        taken = self._buckets.take(demands, now_s=now_s)
        left = {demand.name: tokens for demand, tokens in zip(demands, taken, strict=True)}
        cut = []
        for index, validated_message in enumerate(validated_messages):
            gateway = validated_message.gateway
            if gateway is None:
                continue
            cost = 1 + len(messages[index].payload) // BYTES_A_TOKEN
            names = [prefix + gateway.mac, f"{prefix}account:{gateway.account_id}"]
            if any(name in left and left[name] < cost for name in names):
                cut.append(index)
                continue
            for name in names:
                if name in left:
                    left[name] -= cost
        return cut


def reject_as_too_many(
    validated_messages: Sequence[ValidatedMessage], positions: Sequence[int]
) -> None:
    """Turn messages into rejected ones."""
    for index in positions:
        validated_message = validated_messages[index]
        validated_message.readings_count, validated_message.good = 0, []
        validated_message.rejections = [
            Rejection(
                Reason.RATE_LIMITED,
                "more messages than the gateway or its account may send (LIMIT_GATEWAY_RATE, "
                "LIMIT_ACCOUNT_RATE); counted by minute, the first one is kept",
            )
        ]


def _count(
    messages: Sequence[RawMessage], validated_messages: Sequence[ValidatedMessage]
) -> tuple[dict[str, int], dict[str, int]]:
    """Tokens that messages cost, by gateway and by account."""
    by_gateway: dict[str, int] = {}
    accounts: dict[str, int] = {}
    for message, validated_message in zip(messages, validated_messages, strict=True):
        gateway = validated_message.gateway
        if gateway is not None:
            mac, cost = gateway.mac, 1 + len(message.payload) // BYTES_A_TOKEN
            if mac in by_gateway:
                by_gateway[mac] += cost
            else:
                by_gateway[mac] = cost
                accounts[mac] = gateway.account_id
    by_account: dict[str, int] = {}
    for mac, account_id in accounts.items():
        name = f"account:{account_id}"
        by_account[name] = by_account.get(name, 0) + by_gateway[mac]
    return by_gateway, by_account
