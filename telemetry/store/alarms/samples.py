"""What the rules of alarms look at: values beyond a limit, or so near that they do not clear it.

A device that a query leaves out is on the good side. Django's connection, within the transaction
that records what comes of it.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, LiteralString

from django.db import connection
from msgspec import Struct

from telemetry.core.alarm_rules import KINDS, Level, Sample, choose_level
from telemetry.core.consumption import day_of, month_of, start_of
from telemetry.models import AlarmRule
from telemetry.store.db.sql import Queries


class Sql(Queries):
    read_measures: LiteralString
    list_devices: LiteralString
    over_day: LiteralString
    over_month: LiteralString
    over_night: LiteralString
    without_data: LiteralString
    with_findings: LiteralString
    beyond_own_limits: LiteralString
    offline: LiteralString


WAIT = timedelta(seconds=2)
"""Readings younger than this wait for the next run: one with an earlier time may be on its way."""
HORIZON = timedelta(days=1)
"""Readings older than this are history and not evaluated."""
SWEEP = timedelta(minutes=5)
"""How often all devices are looked at, not only those whose gateway was seen."""
UNSEEN = timedelta(minutes=2)
READINGS_A_RUN = 10_000
HISTORY = timedelta(days=32)
"""How far back the newest reading of a silent device is looked for."""
NIGHT = (time(2), time(5))
"""Local time: when nobody should draw, what flows is a leak."""
QUERIES: dict[str, LiteralString] = {
    "day": Sql.over_day,
    "month": Sql.over_month,
    "night": Sql.over_night,
    "no_data": Sql.without_data,
    "finding": Sql.with_findings,
    "device_limits": Sql.beyond_own_limits,
    "offline": Sql.offline,
}


class Subject(Struct, frozen=True):
    """What a rule watches: a device, a gateway, or a part of the system by its name."""

    key: str
    device_id: int | None = None
    gateway_id: int | None = None
    detail: str = ""


Samples = dict[Subject, list[Sample]]


def read_samples(rule: AlarmRule, *, now: datetime, seen_since: datetime | None) -> Samples:
    """The samples of an account's rule since the last call. `seen_since`: of readings, look only at
    devices whose gateway was seen since then."""
    if rule.kind in QUERIES:
        return _read_subjects(rule, now=now)
    return _read_readings(rule, now=now, seen_since=seen_since)


def list_left_out(rule: AlarmRule, keys: Iterable[str]) -> set[str]:
    """Which of these subjects the rule does not watch any more: deactivated, or moved away."""
    known = set(keys)
    ids = {kind: [int(k.partition(":")[2]) for k in known if k.startswith(kind)]
        for kind in ("device", "gateway")}  # fmt: skip
    parameters = {**_scope(rule), "devices": ids["device"], "gateways": ids["gateway"]}
    if rule.is_of_gateways:
        # A gateway without devices counts as well.
        gateways = rule.account.gateways.filter(is_active=True, pk__in=ids["gateway"])  # type: ignore[union-attr]
        return known - {f"gateway:{pk}" for pk in gateways.values_list("pk", flat=True)}
    return known - {f"device:{row[0]}" for row in _fetch(Sql.list_devices, parameters)}


def _scope(rule: AlarmRule) -> dict[str, Any]:
    return {"account": rule.account_id, "gateway": rule.gateway_id, "device": rule.device_id}


def _read_readings(rule: AlarmRule, *, now: datetime, seen_since: datetime | None) -> Samples:
    spec = KINDS[rule.kind]
    limit = rule.limit or Decimal(0)
    parameters = {
        **_scope(rule), "rule": rule.pk, "horizon": now - HORIZON, "until": now - WAIT,
        "seen_since": seen_since, "is_jump": rule.kind == "jump", "sign": spec.sign,
        "limit": limit, "margin": rule.margin, "readings": READINGS_A_RUN,
    }  # fmt: skip
    rows = _fetch(Sql.read_measures, parameters)
    return {
        Subject(f"device:{device_id}", device_id=device_id): [
            Sample(at, _level(rule, measure), measure) for _, at, measure in of
        ]
        for device_id, of in groupby(rows, key=itemgetter(0))
    }


def _read_subjects(rule: AlarmRule, *, now: datetime) -> Samples:
    parameters = {
        **_scope(rule), "now": now, "limit": rule.limit, "margin": rule.margin,
        "history": now - HISTORY, **_find_period(rule, now),
    }  # fmt: skip
    found: Samples = {}
    for pk, value, since, detail in _fetch(QUERIES[rule.kind], parameters):
        if rule.is_of_gateways:
            subject = Subject(f"gateway:{pk}", gateway_id=pk, detail=detail)
        else:
            subject = Subject(f"device:{pk}", device_id=pk, detail=detail)
        has_level = rule.kind in ("day", "month", "night")
        level = _level(rule, value) if has_level else Level.BEYOND
        found[subject] = [Sample(now, level, value, since)]
    return found


def _level(rule: AlarmRule, value: Decimal) -> Level:
    limit, sign = rule.limit or Decimal(0), KINDS[rule.kind].sign
    return choose_level(value, limit=limit, margin=rule.margin, sign=sign)


def _find_period(rule: AlarmRule, now: datetime) -> dict[str, Any]:
    """The local day, the billing month, and the last night that is over."""
    account = rule.account
    assert account is not None
    zone = account.zone
    today = day_of(now, zone)
    midnight = start_of(today, zone).astimezone(zone)
    start, end = (midnight.replace(hour=at.hour) for at in NIGHT)
    if now < end + timedelta(minutes=15):  # its hours are computed soon after they end
        start, end = start - timedelta(days=1), end - timedelta(days=1)
    return {
        "day": today, "month": month_of(today, account.billing), "start": start, "end": end,
        "hours": NIGHT[1].hour - NIGHT[0].hour,
    }  # fmt: skip


def _fetch(statement: str, parameters: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
