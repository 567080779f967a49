"""What the aggregates cost beside many readings: a refresh after late readings, and the queries of
pages.

The readings are put straight into the hypertable and noted as ingestion notes them; the late ones
come in by `import_readings` and the pool, as history does.
"""

import json
import random
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.accounts import (
    GATEWAY_DEVICES,
    fill_and_refresh,
    measurement_of,
    register_accounts,
)
from tests.bench.results import Run
from tests.bench.rig import Rig
from tests.bench.scale import read_register

LATE = 10_000


def run_aggregates(*, millions: int, plans: Path | None, say: Callable[[str], None]) -> Run:
    """Fill, refresh, let readings come late, refresh, ask; seconds and milliseconds.

    `plans`: a file for the plans of the queries.
    """
    with Rig(concurrency=2) as rig, tempfile.TemporaryDirectory() as folder:
        macs = register_accounts(rig, Path(folder))
        run: Run = {"million readings": float(millions)}
        run |= fill_and_refresh(rig, millions=millions, say=say)
        run |= measure_aggregates(rig, macs, Path(folder))
        if plans is not None:
            _write_plans(plans, rig.ask("plans"))
        rig.manage("delivery_report")
        return run


def measure_aggregates(rig: Rig, macs: list[str], folder: Path) -> Run:
    """Seconds of a refresh after late readings of these gateways, and milliseconds of queries."""
    worker = rig.start("worker-ingest")
    rig.manage("import_readings", str(_write_late(folder, macs)))
    worker.stop()
    late = rig.ask("refresh")
    return {
        "refresh after 10,000 late readings, s": late["seconds"],
        "hours computed again": late["hours"],
        "days computed again": late["days"],
        **rig.ask("queries"),
    }


def _write_late(folder: Path, macs: list[str]) -> Path:
    """Readings of random devices at random instants of the last 29 days, one a message; a register
    shows what lies between its other readings."""
    chance, now = random.Random(5), datetime.now(UTC)
    lines = []
    for _ in range(LATE):
        number = chance.randrange(len(macs))
        time = now - timedelta(seconds=chance.uniform(60, 29 * 86_400))
        is_register = measurement_of(number) == "cumulative"
        value = read_register(time) if is_register else chance.randrange(10_000) / 100
        device = f"D{chance.randrange(GATEWAY_DEVICES)}"
        reading = {"dispositivo_codigo": device, "valor": value, "unidade": "kWh"}
        message = {"gateway_mac": macs[number], "timestamp": time.isoformat()}
        lines.append(json.dumps({**message, "leituras": [reading]}))
    file = folder / "late.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _write_plans(file: Path, plans: dict[str, str]) -> None:
    text = "\n\n".join(f"{name}\n\n{plan}" for name, plan in plans.items())
    file.write_text(text + "\n", encoding="utf-8")
