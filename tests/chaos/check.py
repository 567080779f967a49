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
from telemetry.store.aggregates.refresh import RefreshBusyError, refresh_aggregates
from telemetry.store.db.connection import open_connection
from telemetry.store.verification.diff import describe_difference
from telemetry.store.verification.verify import Scope, VerifyBusyError, verify_aggregates

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


def find_wrong(database_url: str, plan: Plan) -> tuple[list[Any], int]:
    """Device, time, value that was sent and value that was received (None: the row is missing) of
    each reading that is not as it was sent, whatever was edited since; how many keys of the plan's
    devices stand twice."""
    device_ids = sorted(plan.fleet.list_device_ids())
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE TEMP TABLE sent (device_id bigint, time timestamptz, value numeric(15, 4))"
        )
        with connection.cursor().copy("COPY sent FROM STDIN") as copy:
            for row in list_expected_rows(plan):
                copy.write_row(row)
        found: Any = connection.execute(
            "SELECT s.device_id, s.time, s.value, coalesce(e.raw_value, r.value) FROM sent s "
            "LEFT JOIN reading r USING (device_id, time) "
            "LEFT JOIN edited_reading e ON e.device_id = s.device_id AND e.time = s.time "
            "AND e.is_current "
            "WHERE coalesce(e.raw_value, r.value) IS DISTINCT FROM s.value ORDER BY s.time"
        ).fetchall()
        twice: Any = connection.execute(
            "SELECT count(*) - count(DISTINCT (device_id, time)) FROM reading "
            "WHERE device_id = ANY (%s)",
            [device_ids],
        ).fetchone()
    return found, int(twice[0])


def find_wrong_rows(database_url: str, plan: Plan) -> list[str]:
    """Rows that are missing or have another value than was sent, and keys that stand twice."""
    found, twice = find_wrong(database_url, plan)
    problems = [
        f"device {device_id} at {at.isoformat()}: sent {sent}, stored {stored}"
        for device_id, at, sent, stored in found[:5]
    ]
    if len(found) > len(problems):
        problems.append(f"and {len(found) - len(problems)} more")
    if twice:
        problems.append(f"{twice} rows stand twice")
    return problems


def find_wrong_at_the_end(database_url: str) -> list[str]:
    """What each schedule checked of its own fleet, of all fleets after the last one: no key stands
    twice, and the aggregates are as the readings say."""
    with psycopg.connect(database_url) as connection:
        row: Any = connection.execute(
            "SELECT count(*) - count(DISTINCT (device_id, time)) FROM reading"
        ).fetchone()
    _, problems = find_wrong_aggregates(database_url)
    return [*problems, *([f"{row[0]} rows stand twice"] if row[0] else [])]


def find_recovery_s(database_url: str, *, healed_at: float) -> float | None:
    """Seconds from an instant until something received after it was stored; None: nothing was."""
    with psycopg.connect(database_url) as connection:
        row: Any = connection.execute(
            "SELECT extract(epoch FROM min(stored_at)) FROM batch "
            "WHERE received_at >= to_timestamp(%s)",
            [healed_at],
        ).fetchone()
    return None if row[0] is None else max(0.0, round(float(row[0]) - healed_at, 3))


def find_wrong_aggregates(
    database_url: str, *, account_id: int | None = None
) -> tuple[int, list[str]]:
    """Hours, days and months computed from raw readings after a refresh, and those that differ; of
    one account or all."""
    with open_connection(database_url, name="chaos", statement_timeout_s=120) as connection:
        give_up_at = time.monotonic() + BUSY_S
        while True:
            try:
                refresh_aggregates(connection)
                found = verify_aggregates(connection, scope=Scope(account_id=account_id))
                if not found.waiting or time.monotonic() > give_up_at:
                    break
            except (RefreshBusyError, VerifyBusyError):
                if time.monotonic() > give_up_at:
                    return 0, [f"aggregates: another refresh is under way for {BUSY_S:.0f} s"]
                time.sleep(0.5)
    rows = found.hours + found.days + found.months
    problems = [describe_difference(one) for one in found.examples[:5]]
    if found.differences > len(problems):
        problems.append(f"and {found.differences - len(problems)} more rows of aggregates")
    if found.waiting:
        problems.append(f"{found.waiting} rows of aggregates wait for a refresh that does not come")
    return rows, problems
