"""The drain with more of one thing: workers, bridges, rows that stand, gateways."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import psycopg

from compose.bench.drain import Drain, drain
from compose.bench.results import Run
from compose.bench.rig import Rig
from compose.local.layout import StackError

DAYS = 30
WRITERS = 2
FIRST_DEVICE = 10_000_000  # beyond every registered device: readings carry no foreign key
FILL = """
INSERT INTO reading (device_id, time, value, received_at, unit, account_id, gateway_id)
SELECT %(first)s + number %% %(devices)s, %(day)s::timestamptz
    + (number / %(devices)s) * (interval '1 day' / ceil(%(rows)s::float / %(devices)s)),
    (number * 7919 %% 1000000) / 100.0, %(day)s, 'kWh', 1 + number %% 50, number %% %(devices)s
FROM generate_series(0::bigint, %(rows)s - 1) AS number
"""
DEVICES = 3_000


def run_scale(base: Drain, variants: dict[str, Drain], *, say: Callable[[str], None]) -> Run:
    """Each variant's rate, and its share of the base's; the base is measured first and last."""
    run: Run = {}
    before = _rate(base)
    say(f"base: {before:,.0f} messages a second")
    for name, variant in variants.items():
        run[f"{name}, messages a second"] = _rate(variant)
        say(f"{name}: {run[f'{name}, messages a second']:,.0f} messages a second")
    after = _rate(base)
    run["base, messages a second"] = (before + after) / 2
    for name in variants:
        share = run[f"{name}, messages a second"] / run["base, messages a second"]
        run[f"{name}, % of base"] = 100 * share
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


def _rate(variant: Drain) -> float:
    return drain(variant)["from the first batch on"]


def _registrar(gateways: int) -> Callable[[Rig], None]:
    return lambda rig: rig.simulate(count=1, gateways=gateways)


def _filler(rows: int) -> Callable[[Rig], None]:
    def fill(rig: Rig) -> None:
        fill_readings(rig.environ["DATABASE_URL"], rows=rows)
        rig.servers.postgres.restart()  # what was written is on disk, and the drain not in its way

    return fill


def fill_readings(url: str, *, rows: int) -> None:
    """Store `rows` readings over the last 30 days, today included, through the indexes."""
    days = list(range(DAYS))
    faults: list[BaseException] = []

    def write() -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                while days:
                    number = days.pop()
                    at = time.gmtime(time.time() - number * 86_400)
                    connection.execute(
                        FILL,
                        {
                            "first": FIRST_DEVICE,
                            "devices": DEVICES,
                            "rows": rows // DAYS,
                            "day": time.strftime("%Y-%m-%dT00:00:00Z", at),
                        },
                    )
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise StackError(f"filling the table failed: {faults[0]}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE reading")
