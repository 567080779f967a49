"""What is known of a gateway's way to its charts, read once for a page."""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from redis import Redis, RedisError

from config.env import read_options
from config.options import RedisOptions
from config.queue import connect_redis
from telemetry.core.batch import REFRESH_TASK
from telemetry.models import (
    Account,
    Certificate,
    DeadLetter,
    DeadLetterGroup,
    Device,
    Enrolment,
    Finding,
    Gateway,
    GatewayEvent,
    TaskRun,
)
from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue, Denial
from telemetry.queue.bridges import read_bridges
from telemetry.queue.levels import read_levels
from telemetry.queue.limits import read_limited_at
from telemetry.store.reads.latest_by_device import MOST_DEVICES, NewestReading, read_newest
from telemetry.store.reads.own_times import find_current_since

LISTED = 10


class DeviceFacts(Struct, frozen=True):
    """A device with its newest reading."""

    device: Device
    newest: NewestReading | None


class Broker(Struct, frozen=True):
    """What Redis knows: refusals of this gateway's user, its rate, the guard, the pipeline."""

    denials: list[Denial]
    limited_at: datetime | None
    guard: str
    held: int
    pending_s: float
    bridges_ready: int


class Rejected(Struct, frozen=True):
    """Waiting dead letters of one reason, with the newest one's detail."""

    reason: str
    dead_letters: int
    messages: int
    last_seen: datetime
    newest_id: int | None
    detail: str


class Facts(Struct, frozen=True):
    """Of a gateway and, when the question is about one, of a device behind it. `broker` is None
    when Redis does not answer."""

    now: datetime
    account: Account
    gateway: Gateway
    device: Device | None
    devices: list[DeviceFacts]
    certificate: Certificate | None
    waits_for_certificate: bool
    event: GatewayEvent | None
    broker: Broker | None
    rejected: list[Rejected]
    findings: list[Finding]
    refreshed_at: datetime | None

    @property
    def newest_at(self) -> datetime | None:
        """The time of the newest reading of what the question is about."""
        times = [one.newest.time for one in self.devices if one.newest is not None]
        return max(times, default=None)


def read_facts(gateway: Gateway, *, device: Device | None, now: datetime) -> Facts:
    """Ask the database and Redis. Raises `DatabaseError`."""
    devices = [device] if device is not None else list(gateway.devices.order_by("code"))
    devices = devices[:MOST_DEVICES]
    ids = [one.pk for one in devices]
    newest = read_newest(gateway.account_id, device_ids=ids, now=now)
    certificates = Certificate.objects.filter(gateway=gateway)
    run = TaskRun.objects.filter(name=REFRESH_TASK).first()
    findings = Finding.objects.filter(account=gateway.account_id, device__in=ids, state="open")
    return Facts(
        now=now,
        account=gateway.account,
        gateway=gateway,
        device=device,
        devices=[DeviceFacts(one, newest.get(one.pk)) for one in devices],
        certificate=certificates.order_by("revoked_at", "-not_after").first(),
        waits_for_certificate=Enrolment.objects.filter(
            mac=gateway.mac, state=Enrolment.State.PENDING
        ).exists(),
        event=_find_event(gateway),
        broker=_read_broker(gateway.mac),
        rejected=_read_rejected(gateway, device),
        findings=list(findings.select_related("device").order_by("-since")[:LISTED]),
        refreshed_at=run.success_at if run else None,
    )


def _find_event(gateway: Gateway) -> GatewayEvent | None:
    """The newest one since the account has the gateway."""
    since = find_current_since(gateway.account_id, gateway.pk)
    events = gateway.events.all() if since is None else gateway.events.filter(at__gte=since)
    return events.order_by("-at", "-id").first()


def _read_broker(mac: str) -> Broker | None:
    try:
        with connect_redis(read_options(RedisOptions)) as redis:
            return _ask_redis(redis, mac)
    except (RedisError, OSError):
        return None


def _ask_redis(redis: Redis, mac: str) -> Broker:
    queue = BatchQueue(redis)
    limited_s = read_limited_at(redis, mac)
    return Broker(
        denials=queue.read_denials(mac),
        limited_at=None if limited_s is None else datetime.fromtimestamp(limited_s, UTC),
        guard=read_alarm(redis),
        held=queue.count_held(),
        pending_s=read_levels(redis).oldest_s,
        bridges_ready=sum(bridge.state == "ready" for bridge in read_bridges(redis)),
    )


def _read_rejected(gateway: Gateway, device: Device | None) -> list[Rejected]:
    """Of a gateway by its groups, which are counted; of a device one by one, no further than
    `LISTED`. Only what waits."""
    own: dict[str, Any] = {"mac": gateway.mac, "account": gateway.account_id}
    if device is None:
        groups = DeadLetterGroup.objects.filter(**own).order_by("-last_seen")
        return [
            _join(group, DeadLetter.objects.filter(**own, reason=group.reason)) for group in groups
        ]
    waiting = DeadLetter.objects.filter(
        **own, device_code=device.code, state=DeadLetter.State.PENDING
    )
    rows = waiting.defer("payload").order_by("-last_seen", "-id")[:LISTED]
    by_reason: dict[str, list[DeadLetter]] = {}
    for row in rows:
        by_reason.setdefault(row.reason, []).append(row)
    return [
        Rejected(
            reason, len(found), sum(one.occurrences for one in found), found[0].last_seen,
            found[0].pk, found[0].detail,
        )
        for reason, found in by_reason.items()
    ]  # fmt: skip


def _join(group: DeadLetterGroup, dead_letters: Any) -> Rejected:
    waiting = dead_letters.filter(state=DeadLetter.State.PENDING)
    newest = waiting.only("id", "detail").order_by("-last_seen", "-id").first()
    return Rejected(
        group.reason, group.dead_letters, group.messages, group.last_seen,
        newest.pk if newest else None, newest.detail if newest else "",
    )  # fmt: skip
