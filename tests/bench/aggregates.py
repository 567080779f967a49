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

from tests.bench.accounts import (
    GATEWAY_DEVICES,
    fill_accounts,
    note_hours,
    register_accounts,
    vacuum,
)
from tests.bench.results import Run
from tests.bench.rig import Rig

LATE = 10_000


def run_aggregates(*, millions: int, plans: Path | None, say: Callable[[str], None]) -> Run:
    """Fill, refresh, let readings come late, refresh, ask; seconds and milliseconds.

    `plans`: a file for the plans of the queries.
    """
    with Rig(concurrency=2) as rig, tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        macs = register_accounts(rig, place)
        run: Run = {"million readings": float(millions)}
        run["filling, s"] = _time(lambda: fill_accounts(rig, millions=millions))
        say(f"{millions} million readings stand")
        note_hours(rig)
        run["first refresh, s"] = rig.ask("refresh")["seconds"]
        say(f"refreshed in {run['first refresh, s']:.0f} s")
        vacuum(rig)
        worker = rig.start("worker-ingest")
        history = _write_late(place, macs)
        rig.manage("import_readings", str(history))
        worker.stop()
        late = rig.ask("refresh")
        run["refresh after 10,000 late readings, s"] = late["seconds"]
        run["hours computed again"] = late["hours"]
        run["days computed again"] = late["days"]
        run.update(rig.ask("queries"))
        if plans is not None:
            _write_plans(plans, rig.ask("plans"))
        rig.manage("delivery_report")
        return run


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


def _time(work: Callable[[], object]) -> float:
    started_s = time.monotonic()
    work()
    return time.monotonic() - started_s
