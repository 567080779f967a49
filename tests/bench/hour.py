"""What a refresh costs while an hour fills up: all of it the first time, then a minute more each.

The readings are put straight into the hypertable and noted as batches of 100 messages note them.
At the end the hour must be what its readings say.
"""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from compose.local.layout import StackError
from tests.bench.accounts import register_accounts
from tests.bench.results import Run
from tests.bench.rig import Rig
from tests.bench.writers import write_each

MINUTES = 60
FILL = """
INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)
SELECT %(hour)s + n * %(tick)s, now(), account_id, gateway_id, id,
    CASE measurement WHEN 'cumulative' THEN n ELSE n %% 7 END, 'kWh'
FROM device CROSS JOIN generate_series(%(first)s::int, %(last)s::int) n
"""
NOTE_ALL = "INSERT INTO dirty_hour (hour, device_ids) SELECT %(hour)s, array_agg(id) FROM device"
NOTE_BATCHES = """
INSERT INTO dirty_hour (hour, device_ids, since_ms)
SELECT %(hour)s, array_agg(id), array_agg(%(minute)s * 60000 + number * 20 + 1)
FROM generate_series(0, 2999) number JOIN device ON id %% 10 = number %% 10
GROUP BY number
"""
COUNTED = """
SELECT readings = counted AND total = summed AND readings > 0
FROM (SELECT sum(readings_count) AS readings, sum(total) AS total
      FROM hourly_aggregate WHERE hour = %(hour)s) a,
     (SELECT count(*) AS counted, sum(value) AS summed FROM reading
      WHERE time > %(hour)s AND time <= %(hour)s + interval '1 hour') r
"""


def run_hour(*, millions: int, say: Callable[[str], None]) -> Run:
    """Fill an hour with so many readings but for two minutes, and refresh after each step."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    with Rig(concurrency=2) as rig, tempfile.TemporaryDirectory() as folder:
        register_accounts(rig, Path(folder))
        url = rig.environ["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            row: Any = connection.execute("SELECT count(*) FROM device").fetchone()
        ticks = max(MINUTES, round(millions * 10**6 / row[0]) // MINUTES * MINUTES)
        about = {"hour": hour, "tick": timedelta(hours=1) / ticks}
        _fill(url, about, minutes=range(MINUTES - 2), ticks=ticks)
        say(f"{row[0]:,} devices have {ticks * (MINUTES - 2) // MINUTES:,} readings each")
        run: Run = {"million readings": row[0] * ticks / 10**6}
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE) reading")
            connection.execute(NOTE_ALL, about)
            run["refresh that reads the hour, s"] = rig.ask("refresh")["seconds"]
            for minute, name, scheduled in (
                (MINUTES - 2, "refresh after a minute more, s", ()),
                (MINUTES - 1, "the same as scheduled, with pauses, s", (hour.isoformat(),)),
            ):
                say(name.removesuffix(", s"))
                _fill(url, about, minutes=range(minute, minute + 1), ticks=ticks)
                connection.execute(NOTE_BATCHES, {**about, "minute": minute})
                run[name] = rig.ask("refresh", *scheduled)["seconds"]
            right: Any = connection.execute(COUNTED, about).fetchone()
        if not right[0]:
            raise StackError("the hour is not what its readings say")
        return run


def _fill(url: str, about: dict[str, Any], *, minutes: range, ticks: int) -> None:
    each = ticks // MINUTES
    write_each(
        url,
        FILL,
        [{**about, "first": minute * each + 1, "last": (minute + 1) * each} for minute in minutes],
    )
