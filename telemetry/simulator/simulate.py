"""Assemble a run: plan, connections, publisher; and verify its results."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from config.env import read_options
from config.options import ContractOptions, DatabaseOptions, RedisOptions, SimulatorOptions
from config.queue import connect_redis
from telemetry.core.batch import PENDING_KEY
from telemetry.core.topic import make_status_topic
from telemetry.simulator.compare import Findings, Verification, wait_until_stored
from telemetry.simulator.draft import mark_bytes
from telemetry.simulator.messages import iterate_messages
from telemetry.simulator.mqtt_connection import Connection
from telemetry.simulator.options import RunOptions
from telemetry.simulator.pace import Pace
from telemetry.simulator.plan import FASTEST_STEP_US, Plan, spread_step_us
from telemetry.simulator.publisher import Publisher
from telemetry.simulator.receipts import RunReceipts
from telemetry.simulator.simulated_fleet import SimulatedFleet
from telemetry.simulator.stored import count_dead_letters, count_rows
from telemetry.simulator.summary import Summary, summarise
from telemetry.store.db.connection import Connection as DatabaseConnection
from telemetry.store.db.connection import open_connection

CLOCK_MARGIN = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def make_plan(
    options: RunOptions, *, fleet: SimulatedFleet, prefix: str, contract: ContractOptions
) -> Plan:
    """The plan of a run that starts now."""
    history_us = int(options.history_s * 1_000_000)
    step_us = max(int(1_000_000 / options.rate), 1) if options.rate else FASTEST_STEP_US
    if history_us:
        step_us = spread_step_us(span_us=history_us, messages_count=options.count)
    return Plan(
        fleet=fleet,
        prefix=prefix,
        seed=options.seed,
        first_at_us=time.time_ns() // 1000 - history_us,
        step_us=step_us,
        interval_us=int(options.interval_s * 1_000_000),
        messages_count=options.count,
        bad_share=options.bad_share,
        duplicate_share=options.duplicate_share,
        payload_limit_bytes=contract.payload_bytes,
        ahead_us=contract.ahead_s * 1_000_000 + history_us,
    )


def publish_plan(
    plan: Plan,
    *,
    options: RunOptions,
    broker: SimulatorOptions,
    acked_log: IO[str] | None = None,
    on_step: Callable[[Publisher, RunReceipts], None] = lambda *_: None,
) -> Summary:
    """Publish a plan over real connections. SIGINT and SIGTERM end it early, and in order.

    Raises `SimulatorError`.
    """
    receipts = RunReceipts(acked_log=acked_log)
    connections_count = options.count_connections(len(plan.fleet.gateways))
    topics = [make_status_topic(plan.prefix, one.mac) for one in plan.fleet.gateways]
    connections = [
        Connection(
            broker,
            client_id=f"simulator-{plan.run:06x}-{number}",
            window=max(options.window // connections_count, 1),
            receipts=receipts,
            status_topic=topics[number] if connections_count == len(topics) else "",
        )
        for number in range(connections_count)
    ]
    publisher = Publisher(
        iterate_messages(plan),
        connections=connections,
        receipts=receipts,
        pace=Pace(
            rate=0.0 if options.interval_s else options.rate,
            interval_s=options.interval_s,
            round_size=len(plan.fleet.gateways),
        ),
        patience_s=options.patience,
    )
    with _stopping_on_signals(publisher.stop):
        publisher.run(lambda: on_step(publisher, receipts))
    return summarise(publisher, receipts)


def count_earlier_rows(plan: Plan) -> dict[int, int]:
    """Rows in the run's span that exist before it, of earlier runs.

    Raises `psycopg.Error`.
    """
    with _open_database() as connection:
        return count_rows(
            connection,
            plan.fleet.list_device_ids(),
            first=_instant(plan.first_at_us),
            last=datetime.now(UTC),
        )


def verify_plan(
    plan: Plan,
    summary: Summary,
    *,
    earlier_rows: dict[int, int],
    timeout_s: float,
    clock_margin: timedelta = CLOCK_MARGIN,
) -> Verification:
    """Wait for the pipeline and compare. `clock_margin`: how far the bridges' clocks may differ
    from ours. Raises `psycopg.Error`, `redis.RedisError`."""
    first = _instant(plan.first_at_us)
    last = _instant(plan.time_us(max(summary.published - 1, 0)))
    since = datetime.now(UTC) - timedelta(seconds=summary.seconds) - clock_margin
    device_ids = plan.fleet.list_device_ids()
    redis = connect_redis(read_options(RedisOptions))
    with _open_database() as connection:

        def read() -> Findings:
            # The queue first: what leaves it afterwards is in the database when that is read.
            pending = int(redis.zcard(PENDING_KEY))
            rows = count_rows(connection, device_ids, first=first, last=last)
            return Findings(
                {
                    device_id: count - earlier_rows.get(device_id, 0)
                    for device_id, count in rows.items()
                },
                count_dead_letters(
                    connection,
                    mark=mark_bytes(plan.run),
                    macs=[gateway.mac for gateway in plan.fleet.gateways],
                    since=since,
                    first=first,
                    last=last,
                ),
                pending,
            )

        return wait_until_stored(
            read,
            acknowledged=summary.expected,
            unacknowledged=summary.expected_of_unacknowledged,
            timeout_s=timeout_s,
        )


def _open_database() -> DatabaseConnection:
    return open_connection(
        read_options(DatabaseOptions).url, name="tds-simulate", statement_timeout_s=600
    )


def _instant(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


@contextmanager
def _stopping_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """The first signal stops in order; a second one ends the process at once."""
    former: dict[signal.Signals, Any] = {}

    def on_signal(number: int, _frame: object) -> None:
        stop()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        former[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        for known, handler in former.items():
            signal.signal(known, handler)
