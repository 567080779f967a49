"""Whether every acknowledged message is where it must be, once, with the values that were sent."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from telemetry.core.reasons import Reason
from telemetry.simulator.messages import iterate_messages
from telemetry.simulator.plan import Plan
from telemetry.store.aggregates import RefreshBusyError, refresh_aggregates
from telemetry.store.connection import open_connection
from telemetry.store.differences import describe_difference
from telemetry.store.verification import VerifyBusyError, verify_aggregates

Row = tuple[int, datetime, Decimal]
BUSY_S = 60.0


def list_expected_rows(plan: Plan) -> Iterator[Row]:
    """Device, time and value of each reading of the messages that are good as a whole.

    Without the keys for which two values were sent: the first that is stored stands. The rows of
    messages that are bad in part are counted by `simulate`'s own verification.
    """
    ids = {
        (gateway.mac, device.code): device.id
        for gateway in plan.fleet.gateways
        for device in gateway.devices
    }
    rows: dict[tuple[int, datetime], Decimal] = {}
    for message in iterate_messages(plan):
        conflicts = Reason.CONFLICTING_READING in message.outcome.rejected
        if message.outcome.rejected and not conflicts:
            continue
        fields = json.loads(message.payload, parse_float=Decimal, parse_int=Decimal)
        at = datetime.fromisoformat(fields["timestamp"])
        for reading in fields["leituras"]:
            key = (ids[fields["gateway_mac"], reading["dispositivo_codigo"]], at)
            if conflicts:
                rows.pop(key, None)
            else:
                rows[key] = reading["valor"]
    for (device_id, at), value in rows.items():
        yield device_id, at, value


def find_wrong_rows(database_url: str, plan: Plan) -> list[str]:
    """Rows that are missing or have another value than was sent, and keys that stand twice."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE TEMP TABLE sent (device_id bigint, time timestamptz, value numeric(15, 4))"
        )
        with connection.cursor().copy("COPY sent FROM STDIN") as copy:
            for row in list_expected_rows(plan):
                copy.write_row(row)
        found: Any = connection.execute(
            "SELECT s.device_id, s.time, s.value, r.value FROM sent s "
            "LEFT JOIN reading r USING (device_id, time) "
            "WHERE r.value IS DISTINCT FROM s.value ORDER BY s.time"
        ).fetchall()
        twice: Any = connection.execute(
            "SELECT count(*) - count(DISTINCT (device_id, time)) FROM reading"
        ).fetchone()
    problems = [
        f"device {device_id} at {at.isoformat()}: sent {sent}, stored {stored}"
        for device_id, at, sent, stored in found[:5]
    ]
    if len(found) > len(problems):
        problems.append(f"and {len(found) - len(problems)} more")
    if twice[0]:
        problems.append(f"{twice[0]} rows stand twice")
    return problems


def find_recovery_s(database_url: str, *, healed_at: float) -> float | None:
    """Seconds from an instant until something received after it was stored; None: nothing was."""
    with psycopg.connect(database_url) as connection:
        row: Any = connection.execute(
            "SELECT extract(epoch FROM min(stored_at)) FROM batch "
            "WHERE received_at >= to_timestamp(%s)",
            [healed_at],
        ).fetchone()
    return None if row[0] is None else max(0.0, round(float(row[0]) - healed_at, 3))


def find_wrong_aggregates(database_url: str) -> tuple[int, list[str]]:
    """Hours, days and months computed from raw readings after a refresh, and those that differ."""
    with open_connection(database_url, name="chaos", statement_timeout_s=120) as connection:
        give_up_at = time.monotonic() + BUSY_S
        while True:
            try:
                refresh_aggregates(connection)
                found = verify_aggregates(connection)
                break
            except (RefreshBusyError, VerifyBusyError):
                if time.monotonic() > give_up_at:
                    return 0, [f"aggregates: another refresh is under way for {BUSY_S:.0f} s"]
                time.sleep(0.5)
    rows = found.hours + found.days + found.months
    problems = [describe_difference(one) for one in found.examples[:5]]
    if found.differences > len(problems):
        problems.append(f"and {found.differences - len(problems)} more rows of aggregates")
    return rows, problems
