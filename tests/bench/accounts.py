"""Three accounts of a thousand devices each, and their readings put straight into the table, noted
as ingestion notes them."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.results import Run
from tests.bench.rig import Rig
from tests.bench.scale import DAYS, DEVICES, Filled, fill_readings

GATEWAY_DEVICES = 8
MEASUREMENTS = ("delta", "cumulative", "gauge")  # of the devices of each account
NAMES = tuple(f"Account {number + 1}" for number in range(len(MEASUREMENTS)))
ZONES = ("America/Sao_Paulo", "Europe/Lisbon", "America/New_York")
NOTE = """
INSERT INTO dirty_hour (hour, device_ids)
SELECT hour, (SELECT array_agg(id) FROM device)
FROM generate_series(
    date_trunc('day', now() - %(days)s * interval '1 day') - interval '1 hour', now(), '1 hour'
) hour
"""


HEARD = "UPDATE gateway SET last_seen = (SELECT max(time) FROM reading), is_online = true"


def register_accounts(rig: Rig, folder: Path) -> list[str]:
    """Register the accounts on a rig without any; the MACs of their gateways."""
    gateways, macs = [], []
    for number in range(DEVICES // GATEWAY_DEVICES):
        account = _account_of(number)
        macs.append(f"02:bb:00:00:{number >> 8:02x}:{number & 255:02x}")
        gateways.append(
            {
                "account": NAMES[account],
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
    accounts = [{"name": name, "time_zone": zone} for name, zone in zip(NAMES, ZONES, strict=True)]
    file = folder / "fleet.json"
    file.write_text(json.dumps({"accounts": accounts, "gateways": gateways}), encoding="utf-8")
    rig.manage("load_fleet", str(file))
    return macs


def measurement_of(gateway: int) -> str:
    """What the devices of a gateway measure, by its place among `register_accounts`."""
    return MEASUREMENTS[_account_of(gateway)]


def _account_of(gateway: int) -> int:
    return gateway * len(MEASUREMENTS) * GATEWAY_DEVICES // DEVICES


def fill_accounts(rig: Rig, *, millions: int) -> None:
    """Store their readings of the last 30 days, and when they were heard. Raises `StackError`."""
    url = rig.environ["DATABASE_URL"]
    fill_readings(url, rows=millions * 10**6, into=_find_place(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(HEARD)


def fill_and_refresh(rig: Rig, *, millions: int, say: Callable[[str], None]) -> Run:
    """Store their readings and compute every aggregate of them; seconds. Raises `StackError`."""
    started_s = time.monotonic()
    fill_accounts(rig, millions=millions)
    filling_s = time.monotonic() - started_s
    say(f"{millions} million readings stand after {filling_s:.0f} s")
    note_hours(rig)
    refresh_s: float = rig.ask("refresh")["seconds"]
    vacuum(rig)
    say(f"refreshed in {refresh_s:.0f} s")
    return {"filling, s": filling_s, "first refresh, s": refresh_s}


def note_hours(rig: Rig) -> None:
    """Leave every hour of the last 30 days to the next refresh, on servers at rest."""
    rig.servers.postgres.restart()
    with psycopg.connect(rig.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(NOTE, {"days": DAYS})


def vacuum(rig: Rig) -> None:
    """What autovacuum would have done by then."""
    with psycopg.connect(rig.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _find_place(url: str) -> Filled:
    with psycopg.connect(url) as connection:
        row: Any = connection.execute("SELECT min(id), min(account_id) FROM device").fetchone()
    each = DEVICES // len(MEASUREMENTS)
    place = MEASUREMENTS.index("cumulative") * each
    return Filled(row[0], row[1], each, range(place, place + each))
