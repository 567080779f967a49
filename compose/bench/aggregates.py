"""What the aggregates cost beside many readings: a refresh after late readings, and the queries of
pages.

The readings are put straight into the hypertable and noted as ingestion notes them; the late ones
come in by `import_readings` and the pool, as history does.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from compose.bench.results import Run
from compose.bench.rig import Rig
from compose.bench.scale import DAYS, DEVICES, Filled, fill_readings
from compose.local.layout import PYTHON

GATEWAY_DEVICES = 8
MEASUREMENTS = ("delta", "cumulative", "gauge")  # one account of a thousand devices each
LATE = 10_000
NOTE = """
INSERT INTO dirty_hour (hour, device_ids)
SELECT hour, (SELECT array_agg(id) FROM device)
FROM generate_series(date_trunc('day', now() - %(days)s * interval '1 day'), now(), '1 hour') hour
"""


def run_aggregates(*, millions: int, plans: Path | None, say: Callable[[str], None]) -> Run:
    """Fill, refresh, let readings come late, refresh, ask; seconds and milliseconds.

    `plans`: a file for the plans of the queries.
    """
    with Rig(concurrency=2) as rig, tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        macs = _register(rig, place)
        url = rig.environ["DATABASE_URL"]
        run: Run = {"million readings": float(millions)}
        place_of = _first(url)
        run["filling, s"] = _time(lambda: fill_readings(url, rows=millions * 10**6, into=place_of))
        say(f"{millions} million readings stand")
        rig.servers.postgres.restart()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(NOTE, {"days": DAYS})
        run["first refresh, s"] = _ask(rig, "refresh")["seconds"]
        say(f"refreshed in {run['first refresh, s']:.0f} s")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
        worker = rig.start("worker-ingest")
        history = _write_late(place, macs)
        rig.manage("import_readings", str(history))
        worker.stop()
        late = _ask(rig, "refresh")
        run["refresh after 10,000 late readings, s"] = late["seconds"]
        run["hours computed again"] = late["hours"]
        run["days computed again"] = late["days"]
        run.update(_ask(rig, "queries"))
        if plans is not None:
            _write_plans(plans, _ask(rig, "plans"))
        rig.manage("delivery_report")
        return run


def _register(rig: Rig, folder: Path) -> list[str]:
    """Three accounts of a thousand devices; the MACs of their gateways."""
    gateways, macs = [], []
    for number in range(DEVICES // GATEWAY_DEVICES):
        account = number * len(MEASUREMENTS) * GATEWAY_DEVICES // DEVICES
        macs.append(f"02:bb:00:00:{number >> 8:02x}:{number & 255:02x}")
        gateways.append(
            {
                "account": f"Account {account + 1}",
                "code": f"GW-{number}",
                "mac": macs[-1],
                "devices": [
                    {
                        "code": f"D{place}",
                        "name": f"Device {place}",
                        "kind": "sensor",
                        "measurement": MEASUREMENTS[account],
                        "unit": "kWh",
                    }
                    for place in range(GATEWAY_DEVICES)
                ],
            }
        )
    zones = ("America/Sao_Paulo", "Europe/Lisbon", "America/New_York")
    accounts = [{"name": f"Account {n + 1}", "time_zone": zone} for n, zone in enumerate(zones)]
    file = folder / "fleet.json"
    file.write_text(json.dumps({"accounts": accounts, "gateways": gateways}), encoding="utf-8")
    rig.manage("load_fleet", str(file))
    return macs


def _first(url: str) -> Filled:
    with psycopg.connect(url) as connection:
        row: Any = connection.execute("SELECT min(id), min(account_id) FROM device").fetchone()
    return Filled(row[0], row[1], DEVICES // len(MEASUREMENTS))


def _write_late(folder: Path, macs: list[str]) -> Path:
    """Readings of random devices at random instants of the last 29 days, one a message."""
    chance, now = random.Random(5), datetime.now(UTC)
    lines = [
        json.dumps(
            {
                "gateway_mac": chance.choice(macs),
                "timestamp": (now - timedelta(seconds=chance.uniform(60, 29 * 86_400))).isoformat(),
                "leituras": [
                    {
                        "dispositivo_codigo": f"D{chance.randrange(GATEWAY_DEVICES)}",
                        "valor": chance.randrange(10_000) / 100,
                        "unidade": "kWh",
                    }
                ],
            }
        )
        for _ in range(LATE)
    ]
    file = folder / "late.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _write_plans(file: Path, plans: dict[str, str]) -> None:
    text = "\n\n".join(f"{name}\n\n{plan}" for name, plan in plans.items())
    file.write_text(text + "\n", encoding="utf-8")


def _ask(rig: Rig, what: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(rig.run([str(PYTHON), "-m", "compose.bench.ask", what]))
    return answer


def _time(work: Callable[[], object]) -> float:
    started_s = time.monotonic()
    work()
    return time.monotonic() - started_s
