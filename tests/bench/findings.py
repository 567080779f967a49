"""Faults among the readings of many devices: which of them the findings say, and how many good
readings they flag as well (`tests/seeded_faults.py`).

The readings are put straight into the hypertable and noted as ingestion notes them; then one
refresh, and one evaluation, as the tasks run them.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct

from compose.local.layout import StackError
from telemetry.core.consumption import Meter
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.findings.evaluate import evaluate_findings
from tests.bench.results import Run
from tests.bench.rig import Rig
from tests.consumption import Site, register
from tests.seeded_faults import KINDS, Fault, Seeded, seed_faults

START = datetime(2026, 3, 1, tzinfo=UTC)
MOST_FLAGGED = 0.01
NOTE = """
INSERT INTO dirty_hour (hour, device_ids)
SELECT hour, array_agg(DISTINCT device_id) FROM (
    SELECT date_trunc('hour', time - interval '1 microsecond', 'UTC') AS hour, device_id
    FROM reading) hours
GROUP BY hour
"""


class Found(Struct, frozen=True):
    """A finding. `device`: its number among the seeded ones."""

    device: int
    rule: str
    since: datetime
    until: datetime


def run_findings(
    *, devices: int, days: int, of_each_kind: int, seed: int, say: Callable[[str], None]
) -> Run:
    """Faults found by kind, good readings flagged. Raises `StackError` when one is missed, or more
    than 1% are flagged."""
    seeded = seed_faults(seed, devices=devices, start=START, days=days, of_each_kind=of_each_kind)
    with (
        Rig(concurrency=1) as rig,
        open_connection(
            rig.environ["DATABASE_URL"], name="bench", statement_timeout_s=600
        ) as connection,
    ):
        sites = store_seeded(connection, seeded)
        refresh_aggregates(connection)
        started_s = time.monotonic()
        evaluate_findings(connection, now=START + days * timedelta(days=1))
        seconds = time.monotonic() - started_s
        found = read_found(connection, sites)
    missed = list_missed(seeded.faults, found)
    for fault in missed:
        say(f"missed: {fault.kind} of device {fault.device}: {seeded.devices[fault.device]}")
    run: Run = {}
    for kind in KINDS:
        planted = sum(fault.kind == kind for fault in seeded.faults)
        run[f"{kind}: found"] = planted - sum(fault.kind == kind for fault in missed)
        run[f"{kind}: planted"] = planted
    good = sum(one.is_good for sent in seeded.readings for one in sent)
    flagged = count_flagged(seeded, found)
    run["good readings"] = good
    run["good readings flagged"] = flagged
    run["good readings flagged, %"] = 100 * flagged / good
    run["findings"] = len(found)
    for rule, number in count_strays(seeded.faults, found).items():
        run[f"findings where no fault is: {rule}"] = number
    run["evaluation, s"] = seconds
    if missed or flagged > MOST_FLAGGED * good:
        raise StackError(f"{len(missed)} faults missed, {flagged} of {good} good readings flagged")
    return run


def store_seeded(connection: Connection, seeded: Seeded) -> list[Site]:
    """Store the readings of all devices, in one account, and note their hours."""
    sites: list[Site] = []
    for device in seeded.devices:
        modulus = None if device.modulus is None else Decimal(device.modulus)
        meter = Meter(
            "delta" if device.measurement == "delta" else "cumulative",
            modulus=modulus,
            interval_s=int(device.interval.total_seconds()),
        )
        sites.append(register(connection, meter, beside=sites[0] if sites else None))
    copy = "COPY reading (time, received_at, account_id, gateway_id, device_id, value, unit)"
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(f"{copy} FROM STDIN") as into:
            for site, sent in zip(sites, seeded.readings, strict=True):
                for one in sent:
                    into.write_row(
                        (one.at, one.received_at, site.account_id, site.gateway_id,
                         site.device_id, one.stored, "")
                    )  # fmt: skip
        cursor.execute(NOTE)
    return sites


def read_found(connection: Connection, sites: list[Site]) -> list[Found]:
    """The open findings."""
    numbers = {site.device_id: number for number, site in enumerate(sites)}
    rows: Any = connection.execute(
        "SELECT device_id, rule, since, coalesce(until, now()) FROM finding WHERE state = 'open'"
    ).fetchall()
    return [Found(numbers[device], rule, since, until) for device, rule, since, until in rows]


def list_missed(faults: Iterable[Fault], found: list[Found]) -> list[Fault]:
    """Faults that no finding of their rules says where they are."""
    by_device = _by_device(found)
    return [
        fault
        for fault in faults
        if not any(
            one.rule in KINDS[fault.kind] and _meets(one, fault.spans[:1])
            for one in by_device.get(fault.device, [])
        )
    ]


def count_flagged(seeded: Seeded, found: list[Found]) -> int:
    """Good readings that lie in a finding, both ends included."""
    by_device = _by_device(found)
    return sum(
        any(finding.since <= one.at <= finding.until for finding in by_device.get(number, []))
        for number, sent in enumerate(seeded.readings)
        for one in sent
        if one.is_good
    )


def count_strays(faults: Iterable[Fault], found: list[Found]) -> dict[str, int]:
    """Findings where no fault of the device is, by rule."""
    spans: dict[int, list[tuple[datetime, datetime]]] = {}
    for fault in faults:
        spans.setdefault(fault.device, []).extend(fault.spans)
    strays: dict[str, int] = {}
    for one in found:
        if not _meets(one, spans.get(one.device, [])):
            strays[one.rule] = strays.get(one.rule, 0) + 1
    return strays


def _by_device(found: Iterable[Found]) -> dict[int, list[Found]]:
    by_device: dict[int, list[Found]] = {}
    for one in found:
        by_device.setdefault(one.device, []).append(one)
    return by_device


def _meets(one: Found, spans: Iterable[tuple[datetime, datetime]]) -> bool:
    """Whether a finding lies where a fault is, to the hour, or in the reading after it."""
    hour = timedelta(hours=1)
    return any(one.since - hour <= until and since - hour <= one.until for since, until in spans)
