"""What the home shows, read once for each page. A part that does not answer is None."""

from datetime import datetime, timedelta
from typing import Any

from auditlog.models import LogEntry
from django.db.models import QuerySet
from msgspec import Struct
from redis import RedisError

from config.env import read_options
from config.options import RedisOptions
from config.queue import connect_redis
from telemetry.core.batch import REFRESH_TASK, SUMMARISE_TASK
from telemetry.models import Alarm, DeadLetterGroup, Gateway, GatewayEvent, LedgerQuarter, TaskRun
from telemetry.queue.alarm import read_alarm
from telemetry.queue.levels import Levels, read_levels
from telemetry.store.operations.schedules import is_failing
from telemetry.store.operations.summaries import (
    MOST_LIVE,
    GatewayCounts,
    WaitingReason,
    count_groups_if_few,
    read_gateways,
    read_quarters,
    read_rate,
    read_waiting,
)

LISTED = 5
WEEK = timedelta(days=7)
STALE = timedelta(minutes=5)
"""Sums that are older than this are no statement about now."""
LOST_WITHIN = timedelta(days=1)


class Balance(Struct, frozen=True):
    """The delivery report as the task had it, at `at`."""

    at: datetime
    received: int
    stored: int
    duplicate: int
    dead_lettered: int
    in_flight: int
    difference: int
    is_stale: bool


class HomeState(Struct, frozen=True):
    """Everything that the home is made of."""

    now: datetime
    gateways: GatewayCounts
    rate: float
    week_before: float | None
    waiting: list[WaitingReason]
    largest: Any  # the largest group of an unregistered gateway
    levels: Levels | None
    guard: str
    refreshed_at: datetime | None
    balance: Balance | None
    quarters: list[LedgerQuarter]
    failing: list[TaskRun]
    alarms: list[Alarm]
    lost: list[Gateway]
    changes: list[LogEntry]


def read_home(*, now: datetime, sees_all: bool) -> HomeState:
    """Ask the database and Redis. Raises `DatabaseError`. `sees_all`: of every account, and of the
    system itself."""
    levels, guard = _read_redis() if sees_all else (None, "")
    runs = {run.name: run for run in TaskRun.objects.all()} if sees_all else {}
    counted = runs[SUMMARISE_TASK].result if SUMMARISE_TASK in runs else {}
    # For staff of one account the wall would be asked about every dead letter.
    if sees_all and counted.get("waiting", 0) <= MOST_LIVE:
        count_groups_if_few()
    unregistered = DeadLetterGroup.objects.filter(reason="unknown_gateway").exclude(mac="")
    return HomeState(
        now=now,
        gateways=read_gateways(),
        rate=read_rate() if sees_all else 0,
        week_before=_read_week_before(now) if sees_all else None,
        waiting=read_waiting(),
        largest=unregistered.order_by("-messages").first(),
        levels=levels,
        guard=guard,
        refreshed_at=runs[REFRESH_TASK].success_at if REFRESH_TASK in runs else None,
        balance=_read_balance(runs.get(SUMMARISE_TASK), now),
        quarters=read_quarters(until=now) if sees_all else [],
        failing=[run for run in runs.values() if is_failing(run)],
        alarms=list(_list_alarms()),
        lost=_list_lost(now),
        changes=_list_changes() if sees_all else [],
    )


def _read_redis() -> tuple[Levels | None, str]:
    try:
        with connect_redis(read_options(RedisOptions)) as redis:
            return read_levels(redis), read_alarm(redis)
    except (RedisError, OSError):
        return None, ""


def _read_week_before(now: datetime) -> float | None:
    quarter = LedgerQuarter.objects.filter(start__lte=now - WEEK, start__gt=now - WEEK - STALE * 3)
    row = quarter.first()
    return row.messages / 15 if row else None


def _read_balance(run: TaskRun | None, now: datetime) -> Balance | None:
    if run is None or run.success_at is None or "difference" not in run.result:
        return None
    names = ("received", "stored", "duplicate", "dead_lettered", "in_flight", "difference")
    counts = {name: int(run.result.get(name, 0)) for name in names}
    return Balance(at=run.success_at, is_stale=now - run.success_at > STALE, **counts)


def _list_alarms() -> "QuerySet[Alarm]":
    """Open alarms about the system, the newest first."""
    alarms = Alarm.objects.filter(closed_at=None, account=None)
    return alarms.order_by("-opened_at")[:LISTED]


def _list_lost(now: datetime) -> list[Gateway]:
    """Gateways that fell silent within the last day and did not come back, the newest first: by
    their events, which have an index."""
    events = GatewayEvent.objects.filter(
        kind=GatewayEvent.Kind.OFFLINE, at__gt=now - LOST_WITHIN,
        gateway__is_active=True, gateway__is_online=False,
    ).select_related("gateway__account").order_by("-at")  # fmt: skip
    lost = {event.gateway_id: event.gateway for event in events[: 4 * LISTED]}
    return list(lost.values())[:LISTED]


def _list_changes() -> list[LogEntry]:
    entries = LogEntry.objects.select_related("actor", "content_type").order_by("-timestamp")
    return list(entries[:LISTED])
