"""How much a gateway and an account may send: token buckets with a burst.

A message costs one token for each KiB that it begins, so that one number bounds messages and bytes.
Time is that of receipt: a backlog of ours is nobody's excess.

within the limit     stored at once
above it             excess: stored when nothing else waits
above the excess     rejected as `rate_limited`: one dead letter for each gateway and minute

A batch is asked for once. What was put aside, and what may end its worker, is not: it comes late,
and through no fault of who sent it.

A gateway that stays far below its limit is counted in this process alone. One that does not is
counted in Redis, for all processes together: a round trip for what is claimed at once.
"""

from collections.abc import Iterator, Sequence

import structlog
from msgspec import Struct
from redis import Redis

from config.options import LimitOptions
from telemetry.core.fleet_cache import GatewayEntry
from telemetry.core.reasons import Reason
from telemetry.core.validator import Rejection, ValidatedMessage
from telemetry.queue.batches import ClaimedBatch
from telemetry.queue.limits import Buckets, Demand, Taken
from telemetry.store.ingest.outcomes import ValidatedBatch
from workers.pool_guard import REQUESTED_SOURCES

LOCAL_SHARE = 8
"""A process counts by itself up to this fraction of a limit."""
LOUD_S = 60.0
NOTE_EVERY_S = 10.0
MOST_NAMES = 100_000
BYTES_A_TOKEN = 1024

Name = str | int  # a gateway's MAC, or an account's id

log = structlog.get_logger("workers.ingest")


class Excess(Struct, frozen=True):
    """Positions of a batch's messages that are above a limit: those that wait for all others, and
    those that are too many even for that."""

    waiting: list[int]
    rejected: list[int]


class _Local(Struct):
    """A bucket of this process; until `loud_until_s` all is asked of Redis."""

    tokens: float
    at_s: float
    loud_until_s: float = 0.0


class RateLimits:
    """Says what of a batch is above the limits. Messages that no registered gateway sent are not
    limited here."""

    def __init__(self, options: LimitOptions, redis: Redis) -> None:
        self._options = options
        self._buckets = Buckets(redis)
        self._local: dict[Name, _Local] = {}
        self._found: dict[str, Excess] = {}  # of the batches in hand
        self._noted_at_s: dict[str, float] = {}

    def forget(self) -> None:
        """Other batches are in hand now."""
        self._found = {}

    def find_excess(self, batches: Sequence[ValidatedBatch]) -> dict[str, Excess]:
        """What is above the limits, by batch id, for those of which anything is.

        However often a batch is tried, it is asked for once: that takes tokens. May raise
        `redis.RedisError`.
        """
        options = self._options
        if not (options.gateway_rate or options.account_rate):
            return {}
        limited = [one for one in batches if _is_limited(one.batch)]
        asked = [one for one in limited if one.batch.id not in self._found]
        if asked:
            self._found |= self._ask(asked)
        found = {one.batch.id: self._found[one.batch.id] for one in limited}
        return {name: excess for name, excess in found.items() if excess.waiting or excess.rejected}

    def _ask(self, batches: Sequence[ValidatedBatch]) -> dict[str, Excess]:
        now_s = max(one.batch.received_us for one in batches) / 1_000_000
        gateways, accounts = _count(batches)
        loud = {
            *self._find_loud(gateways, self._options.gateway_rate, now_s),
            *self._find_loud(accounts, self._options.account_rate, now_s),
        }
        if not loud:
            return {one.batch.id: Excess([], []) for one in batches}
        spent = gateways | accounts
        demands = {
            name: self._demand(name, spent[name], largest)
            for name, largest in _find_largest(batches, loud).items()
        }
        taken = self._buckets.take(
            list(demands.values()), excess_times=self._options.excess_times, now_s=now_s
        )
        tokens = dict(zip(demands, taken, strict=True))
        found = {one.batch.id: _sort_out(one, tokens) for one in batches}
        self._note_rejected(
            {
                one.validated_messages[index].mac
                for one in batches
                for index in found[one.batch.id].rejected
            },
            now_s=now_s,
        )
        return found

    def _note_rejected(self, macs: set[str], *, now_s: float) -> None:
        """Name them to operators, each now and then."""
        due = sorted(mac for mac in macs if now_s >= self._noted_at_s.get(mac, 0) + NOTE_EVERY_S)
        if due:
            log.warning("rate_limited", gateways=due)
            self._buckets.note_limited(due, now_s=now_s)
            self._noted_at_s |= dict.fromkeys(due, now_s)

    def _demand(self, name: Name, wanted: int, largest: int) -> Demand:
        rate, text = self._options.gateway_rate, str(name)
        if isinstance(name, int):
            rate, text = self._options.account_rate, f"account:{name}"
        return Demand(text, rate, rate * self._options.burst_s, wanted, largest)

    def _find_loud(self, spent: dict[Name, int], rate: float, now_s: float) -> list[Name]:
        """Those that are no longer counted here alone. In one loop: it sees every batch."""
        if not rate:
            return []
        local, most, fill = (
            self._local,
            rate * self._options.burst_s / LOCAL_SHARE,
            rate / LOCAL_SHARE,
        )
        if len(local) >= MOST_NAMES:
            local.clear()
        loud = []
        for name, wanted in spent.items():
            bucket = local.get(name)
            if bucket is None:
                bucket = local[name] = _Local(most, now_s)
            elif now_s > bucket.at_s:
                bucket.tokens = min(most, bucket.tokens + (now_s - bucket.at_s) * fill)
                bucket.at_s = now_s
            if bucket.tokens < wanted:
                bucket.loud_until_s = now_s + LOUD_S
                loud.append(name)
            else:
                bucket.tokens -= wanted
                if now_s < bucket.loud_until_s:
                    loud.append(name)
        return loud


def _is_limited(batch: ClaimedBatch) -> bool:
    return not (batch.lane or batch.is_suspect or batch.source in REQUESTED_SOURCES)


def _list_limited(one: ValidatedBatch) -> Iterator[tuple[int, int, GatewayEntry]]:
    """Position, tokens and gateway of each message that some registered gateway sent."""
    pairs = zip(one.messages, one.validated_messages, strict=True)
    for index, (message, validated_message) in enumerate(pairs):
        if validated_message.gateway is not None:
            yield index, 1 + len(message.payload) // BYTES_A_TOKEN, validated_message.gateway


def _count(batches: Sequence[ValidatedBatch]) -> tuple[dict[Name, int], dict[Name, int]]:
    """Tokens that messages cost, by gateway and by account."""
    gateways: dict[Name, int] = {}
    owners: dict[Name, int] = {}
    for one in batches:
        for message, validated_message in zip(one.messages, one.validated_messages, strict=True):
            gateway = validated_message.gateway
            if gateway is not None:
                mac, cost = gateway.mac, 1 + len(message.payload) // BYTES_A_TOKEN
                if mac in gateways:
                    gateways[mac] += cost
                else:
                    gateways[mac] = cost
                    owners[mac] = gateway.account_id
    accounts: dict[Name, int] = {}
    for name, account_id in owners.items():
        accounts[account_id] = accounts.get(account_id, 0) + gateways[name]
    return gateways, accounts


def _find_largest(batches: Sequence[ValidatedBatch], names: set[Name]) -> dict[Name, int]:
    """Tokens of the largest message of each."""
    largest: dict[Name, int] = {}
    for one in batches:
        for _, cost, gateway in _list_limited(one):
            for name in names.intersection((gateway.mac, gateway.account_id)):
                largest[name] = max(cost, largest.get(name, 0))
    return largest


def _sort_out(one: ValidatedBatch, tokens: dict[Name, Taken]) -> Excess:
    """Spend tokens on the messages in their order. One of a gateway and account that both have
    some left is within; one for which some of excess are left waits."""
    found = Excess([], [])
    for index, cost, gateway in _list_limited(one):
        buckets = [tokens[name] for name in (gateway.mac, gateway.account_id) if name in tokens]
        is_within = all(bucket.within >= cost for bucket in buckets)
        if not is_within and any(max(bucket.within, bucket.excess) < cost for bucket in buckets):
            found.rejected.append(index)
            continue
        if not is_within:
            found.waiting.append(index)
        for bucket in buckets:
            if bucket.within >= cost:
                bucket.within -= cost
            else:
                bucket.excess -= cost
    return found


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
