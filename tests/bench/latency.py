"""From the publication of a message to its committed row, and the CPU time of a message.

A message's timestamp is the instant at which it was published; a trigger of the bench announces
every ledger row, and the announcement comes when it is committed. All on one clock. The CPU time
includes the trigger, which costs PostgreSQL some 30 us a batch.
"""

import threading
import time

import psycopg

from tests.bench.flow import costs, open_pipeline
from tests.bench.results import Run
from tests.bench.rig import Rig

TRIGGER = """
CREATE FUNCTION bench_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('bench', (extract(epoch FROM NEW.received_at) * 1000000)::bigint::text);
    RETURN NULL;
END $$;
CREATE TRIGGER bench_announce AFTER INSERT ON batch FOR EACH ROW
    WHEN (NEW.second_part IS NULL) EXECUTE FUNCTION bench_announce()
"""
PUBLISHED = """
SELECT DISTINCT (extract(epoch FROM received_at) * 1000000)::bigint, gateway_id,
    (extract(epoch FROM time) * 1000000)::bigint
FROM reading WHERE time >= to_timestamp(%s)
"""
POINTS = (50, 95, 99)
RATES = (10.0, 100.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0)
WARM_S = 1.0


class Announcements:
    """When each batch was committed, by its time of receipt in microseconds; of one that was split,
    the part that was stored first: what waited on purpose is not what is measured."""

    def __init__(self, rig: Rig) -> None:
        self.committed_us: dict[int, int] = {}
        self._connection = psycopg.connect(rig.environ["DATABASE_URL"], autocommit=True)
        self._connection.execute(TRIGGER)
        self._connection.execute("LISTEN bench")
        self._is_over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._is_over = True
        self._thread.join()
        self._connection.close()

    def _listen(self) -> None:
        while not self._is_over:
            for notice in self._connection.notifies(timeout=0.2):
                self.committed_us.setdefault(int(notice.payload), time.time_ns() // 1000)


def run_latency(*, rates: list[float], seconds: float, concurrency: int) -> Run:
    """Percentiles and CPU time for each rate, one after the other on fresh servers."""
    run: Run = {}
    with open_pipeline(concurrency=concurrency) as pipeline:
        announcements = Announcements(pipeline.rig)
        for rate in rates:
            started_at = time.time() + WARM_S
            flow = pipeline.send(rate=rate, seconds=seconds + WARM_S)
            found = measure_ms(pipeline.rig, announcements, started_at=started_at)
            for point in POINTS:
                run[f"{rate:g} a second, p{point}, ms"] = found[len(found) * point // 100]
            for part, spent_us in costs(flow).items():
                run[f"{rate:g} a second, {part}"] = spent_us
        announcements.close()
    return run


def measure_ms(rig: Rig, announcements: Announcements, *, started_at: float) -> list[float]:
    """Of every message published since an instant (Unix seconds) and stored; in order."""
    time.sleep(0.5)  # the last announcements
    with psycopg.connect(rig.environ["DATABASE_URL"]) as connection:
        rows = connection.execute(PUBLISHED, [started_at]).fetchall()
    return sorted(
        (announcements.committed_us[received_us] - published_us) / 1000
        for received_us, _, published_us in rows
    )
