"""The drain with more of one thing: workers, bridges, rows that stand, gateways.

Each variant is prepared once and drained several times; medians are held against the base's, which
is measured first and last.
"""

import statistics
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
from msgspec import Struct

from tests.bench.drain import Drain, drain_repeatedly
from tests.bench.results import Run
from tests.bench.rig import Rig
from tests.bench.writers import write_each

DAYS = 30
FIRST_DEVICE = 10_000_000  # beyond every registered device: readings carry no foreign key
FILL = """
INSERT INTO reading (device_id, time, value, received_at, unit, account_id, gateway_id)
SELECT %(first)s + place, time,
    CASE WHEN place BETWEEN %(first_register)s AND %(last_register)s
        THEN extract(epoch FROM time - %(registers_at)s) / 100
        ELSE (number * 7919 %% 1000000) / 100.0 END,
    %(day)s, 'kWh', %(account)s + place / %(by_account)s, place
FROM generate_series(0::bigint, %(rows)s - 1) AS number
CROSS JOIN LATERAL (
    SELECT number %% %(devices)s AS place,
        %(day)s::timestamptz + (number / %(devices)s) * %(span)s::interval
            / ceil(%(rows)s::float / %(devices)s) AS time
) reading
"""
DEVICES = 3_000
REGISTERS_AT = datetime(2020, 1, 1, tzinfo=UTC)


class Filled(Struct, frozen=True):
    """Whose readings fill the table: devices and accounts with ids from these on.

    The values of `registers`, by their place among the devices, rise as `read_register` says."""

    first_device: int = FIRST_DEVICE
    first_account: int = 1
    devices_by_account: int = DEVICES // 50
    registers: range = range(0)


UNREGISTERED = Filled()


def read_register(time: datetime) -> float:
    """What every register shows then: 36 an hour."""
    return round((time - REGISTERS_AT).total_seconds() / 100, 4)


def run_scale(
    base: Drain, variants: dict[str, Drain], *, drains: int, say: Callable[[str], None]
) -> Run:
    """Each variant's rate and CPU time for a message, and its share of the base's rate."""

    def measure(name: str, variant: Drain) -> tuple[float, float]:
        found = drain_repeatedly(variant, times=drains)
        rate = statistics.median(each["from the first batch on"] for each in found)
        cost = statistics.median(each["all, us"] for each in found)
        say(f"{name}: {rate:,.0f} messages a second, {cost:.1f} us")
        return rate, cost

    before = measure("base", base)
    measured = {name: measure(name, variant) for name, variant in variants.items()}
    after = measure("base", base)
    run: Run = {
        "base, messages a second": (before[0] + after[0]) / 2,
        "base, us": (before[1] + after[1]) / 2,
    }
    for name, (rate, cost) in measured.items():
        run[f"{name}, messages a second"] = rate
        run[f"{name}, us"] = cost
        run[f"{name}, % of base"] = 100 * rate / run["base, messages a second"]
    return run


def make_variants(
    base: Drain,
    *,
    workers: list[int],
    bridges: list[int],
    rows: list[int],
    registered: list[int],
    speaking: list[int],
) -> dict[str, Drain]:
    """What is measured, by name. `rows` in millions; gateways `registered` beside those that
    publish the same backlog as ever, and `speaking`, each in its turn."""
    return {
        **{f"{n} workers": replace(base, concurrency=n) for n in workers},
        **{f"{n} bridges": replace(base, bridges=n) for n in bridges},
        **{
            f"{n} million rows": replace(
                base, prepare=_filler(n * 1_000_000), rows_before=n * 1_000_000 // DAYS * DAYS
            )
            for n in rows
        },
        **{f"{n:,} gateways registered": replace(base, prepare=_registrar(n)) for n in registered},
        **{f"{n:,} gateways speaking": replace(base, gateways=n) for n in speaking},
    }


def _registrar(gateways: int) -> Callable[[Rig], None]:
    return lambda rig: rig.simulate(count=1, gateways=gateways)


def _filler(rows: int) -> Callable[[Rig], None]:
    def fill(rig: Rig) -> None:
        fill_readings(rig.environ["DATABASE_URL"], rows=rows)
        rig.servers.postgres.restart()  # what was written is on disk, and the drain not in its way

    return fill


def fill_readings(url: str, *, rows: int, into: Filled = UNREGISTERED) -> None:
    """Store `rows` readings over the last 30 days, up to now, through the indexes.

    The table is vacuumed as it would be by then. Raises `StackError`.
    """
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    about = {
        "first": into.first_device,
        "account": into.first_account,
        "by_account": into.devices_by_account,
        "first_register": into.registers.start,
        "last_register": into.registers.stop - 1,
        "registers_at": REGISTERS_AT,
        "devices": DEVICES,
        "rows": rows // DAYS,
    }
    days = [today - timedelta(days=number) for number in reversed(range(DAYS))]
    each = [{**about, "day": day, "span": min(timedelta(days=1), now - day)} for day in days]
    write_each(url, FILL, each)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) reading")
