"""A worker of this process, and ways to break its store."""

from collections.abc import Iterator

import pytest

from config.celery import app
from config.env import read_options
from config.options import IngestOptions
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import Connection
from tests.batches import run_batch
from workers.runner import BatchRunner, open_runner


@pytest.fixture
def runner(environ: dict[str, str], fleet: None, queue: BatchQueue) -> Iterator[BatchRunner]:
    runner = open_runner(read_options(IngestOptions), app)
    yield runner
    runner.close()


def run_all(runner: BatchRunner, queue: BatchQueue) -> int:
    """Run every pending batch until none is left; how many runs it took."""
    runs = 0
    while unfinished := queue.snapshot().unfinished:
        for batch in unfinished:
            run_batch(runner, batch.id)
            runs += 1
        assert runs < 200, "batches do not end"
    return runs


def add_gateways(connection: Connection, numbers: range) -> list[str]:
    """Registered gateways, each with the meter D01; their MACs."""
    macs = [f"02:00:00:00:00:{number:02x}" for number in numbers]
    connection.execute(
        "INSERT INTO gateway (account_id, code, mac, name, location, max_devices, is_active,"
        " is_online, firmware_version) SELECT 1, 'G' || mac, mac, '', '', 8, true, false, ''"
        " FROM unnest(%s::text[]) AS mac",
        [macs],
    )
    connection.execute(
        "INSERT INTO device (gateway_id, account_id, code, name, kind, measurement, unit,"
        " is_active) SELECT id, account_id, 'D01', '', 'meter', 'delta', 'kWh', true FROM gateway"
        " WHERE mac = ANY(%s)",
        [macs],
    )
    return macs
