"""The state of the system, as rules about it see it."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings

from telemetry.certificates.status import find_ending
from telemetry.core.alarm_rules import Level, Sample, choose_level
from telemetry.core.batch import REFRESH_TASK
from telemetry.models import AlarmRule, TaskRun
from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue
from telemetry.store.alarms.samples import Samples, Subject
from telemetry.store.db.connection import Connection
from telemetry.store.operations.delivery_report import read_report

RECENT = timedelta(minutes=10)
"""For so long a loss holds: it is an event and has no end of its own."""


class SystemState:
    """Reads what a rule asks for. Raises `redis.RedisError`, `psycopg.Error` or `OSError`."""

    def __init__(
        self, queue: BatchQueue, connect: Callable[[], AbstractContextManager[Connection]]
    ) -> None:
        self._queue, self._connect = queue, connect

    def read(self, rule: AlarmRule, now: datetime) -> Samples:
        """The samples of a rule about the system; what is well is left out."""
        readers: dict[str, Callable[[AlarmRule, datetime], Samples]] = {
            "drops": self._read_drops,
            "difference": self._read_difference,
            "guard": self._read_guard,
            "aggregates": _read_aggregates,
            "certificate": _read_certificates,
            "disk": _read_disks,
        }
        return readers[rule.kind](rule, now)

    def _read_drops(self, _rule: AlarmRule, now: datetime) -> Samples:
        dropped, events = self._queue.read_dropped(), self._queue.read_broker_events()
        found: Samples = {}
        for key, detail, count, at_s in (
            ("dropped", "max_queued_messages", dropped.messages, dropped.at),
            ("lost", "lost sessions", events.lost_sessions, events.lost_at),
        ):
            at = datetime.fromtimestamp(at_s, UTC)
            if count and now - at < RECENT:
                sample = Sample(now, Level.BEYOND, Decimal(count), at)
                found[Subject(key, detail=detail)] = [sample]
        return found

    def _read_difference(self, _rule: AlarmRule, now: datetime) -> Samples:
        with self._connect() as connection:
            report = read_report(connection, self._queue)
        found: Samples = {}
        for key, count in (
            ("messages", report.difference),
            ("dead letters", report.dead_letters_difference),
        ):
            if count:
                found[Subject(key, detail=key)] = [Sample(now, Level.BEYOND, Decimal(count))]
        return found

    def _read_guard(self, _rule: AlarmRule, now: datetime) -> Samples:
        reason = read_alarm(self._queue.redis)
        if not reason:
            return {}
        held = Decimal(self._queue.count_held())
        return {Subject("guard", detail=reason[:500]): [Sample(now, Level.BEYOND, held)]}


def _read_aggregates(rule: AlarmRule, now: datetime) -> Samples:
    run = TaskRun.objects.filter(name=REFRESH_TASK).first()
    if run is None:
        return {}
    refreshed_at = run.success_at or run.created_at
    age = Decimal(int((now - refreshed_at).total_seconds())) / 60
    return _compare(rule, Subject("aggregates"), round(age, 1), now=now)


def _read_certificates(rule: AlarmRule, now: datetime) -> Samples:
    before = now + timedelta(days=int((rule.limit or 0) + rule.margin))
    found: Samples = {}
    for row in find_ending(before=before).select_related("gateway"):
        days = Decimal(int((row.not_after - now).total_seconds())) / 86_400
        subject = Subject(
            f"gateway:{row.gateway_id}", gateway_id=row.gateway_id, detail=row.common_name
        )
        found |= _compare(rule, subject, round(days, 1), now=now)
    return found


def _read_disks(rule: AlarmRule, now: datetime) -> Samples:
    found: Samples = {}
    for path in settings.OPTIONS.alarms.disks:
        usage = shutil.disk_usage(path)
        # As `df` says it: what only root may use is not free.
        percent = Decimal(100 * usage.used) / Decimal(max(1, usage.used + usage.free))
        found |= _compare(rule, Subject(path, detail=path), round(percent, 1), now=now)
    return found


def _compare(rule: AlarmRule, subject: Subject, value: Decimal, *, now: datetime) -> Samples:
    """The sample of a value, unless it is well."""
    sign = -1 if rule.kind == "certificate" else 1
    level = choose_level(value, limit=rule.limit or Decimal(0), margin=rule.margin, sign=sign)
    return {} if level == Level.CLEAR else {subject: [Sample(now, level, value)]}
