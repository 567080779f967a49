"""Every file that decides by measurement knows all of them."""

import re
from pathlib import Path

import pytest

from telemetry.api import schemas
from telemetry.core.consumption import Meter
from telemetry.core.measurement import MEASUREMENTS, Measurement
from telemetry.fleet.load import DeviceSpec
from telemetry.models import Device
from telemetry.simulator.registration import DEVICES
from telemetry.web.device.params import QUANTITIES
from telemetry.web.fleet.rows import MEASUREMENTS as LABELS

ROOT = Path(__file__).parents[3]
NAMES_ONE = re.compile(r"""['"](delta|cumulative|gauge)['"]|\.(DELTA|CUMULATIVE|GAUGE)\b""")

ALL = {"delta", "cumulative", "gauge"}
WRITTEN_FOR = {
    "telemetry/api/routes/installations.py": ALL,
    "telemetry/core/installations.py": ALL,
    "telemetry/core/measurement.py": ALL,
    "telemetry/core/register_hours.py": ALL,
    "telemetry/core/statements.py": ALL,
    "telemetry/dead_letters/register.py": ALL,
    "telemetry/installations/changing.py": ALL,
    "telemetry/installations/rules.py": ALL,
    "telemetry/installations/stamps.py": ALL,
    "telemetry/metrics/names.py": ALL,  # the word gauge alone: a kind of metric
    "telemetry/models/fleet.py": ALL,
    "telemetry/models/installations.py": ALL,
    "telemetry/models/virtual_meters.py": ALL,
    "telemetry/simulator/registration.py": ALL,
    "telemetry/simulator/series.py": ALL,
    "telemetry/sql/schema/installations.sql": ALL,
    "telemetry/store/aggregates/continued.sql": ALL,
    "telemetry/store/aggregates/days_months.sql": ALL,
    "telemetry/store/aggregates/hours.py": ALL,
    "telemetry/store/aggregates/hours.sql": ALL,
    "telemetry/store/aggregates/uneven.py": ALL,
    "telemetry/store/aggregates/uneven.sql": ALL,
    "telemetry/store/assignments/preview.sql": ALL,
    "telemetry/store/bands/read.sql": ALL,
    "telemetry/store/alarms/samples.sql": ALL,
    "telemetry/store/billing/closing.sql": ALL,
    "telemetry/store/billing/consumed.sql": ALL,
    "telemetry/store/billing/review.py": ALL,
    "telemetry/store/billing/review.sql": ALL,
    "telemetry/store/billing/statement_parts.py": ALL,
    "telemetry/store/findings/evaluate.py": ALL,
    "telemetry/store/findings/inputs.py": ALL,
    "telemetry/store/findings/inputs.sql": ALL,
    "telemetry/store/reads/account_series.sql": ALL,
    "telemetry/store/reads/account_totals.sql": ALL,
    "telemetry/store/reads/aggregate_pages.sql": ALL,
    "telemetry/store/reads/chart_series.sql": ALL,
    "telemetry/store/verification/diff.sql": ALL,
    "telemetry/store/verification/slices.sql": ALL,
    "telemetry/templates/telemetry/device/parts/facts.html": ALL,
    "telemetry/templates/telemetry/device/parts/headline.html": ALL,
    "telemetry/templates/telemetry/device/parts/months.html": ALL,
    "telemetry/templates/telemetry/overview/parts/latest.html": ALL,
    "telemetry/web/charts/chart.py": ALL,
    "telemetry/web/device/headline.py": ALL,
    "telemetry/web/device/params.py": ALL,
    "telemetry/web/fleet/rows.py": ALL,
    "telemetry/web/overview/by_device.py": ALL,
    "telemetry/web/overview/quantities.py": ALL,
    "telemetry/web/overview/saved.py": ALL,
}
"""The measurements that each file that names one was written for. The others of a file fall into
its `else`, on purpose: whoever adds a measurement reads the file, and then enters it here."""


def find_deciding_files() -> set[str]:
    """Code, SQL, templates and scripts that name a measurement; migrations never change."""
    return {
        str(file.relative_to(ROOT))
        for folder in ("telemetry", "workers", "config", "ingest_bridge")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".sql", ".html", ".js"}
        and "migrations" not in file.parts
        and NAMES_ONE.search(file.read_text(encoding="utf-8"))
    }


def test_it_has_one_list_of_measurements() -> None:
    assert set(MEASUREMENTS) == set(Device.Measurement.values)
    assert {device["measurement"] for device in DEVICES} <= set(MEASUREMENTS)
    for model in (Meter, DeviceSpec, schemas.Device):
        assert model.__annotations__["measurement"] == Measurement


def test_it_lists_every_file_that_decides_by_measurement() -> None:
    assert find_deciding_files() == set(WRITTEN_FOR)


@pytest.mark.parametrize("path", WRITTEN_FOR)
def test_it_knows_every_measurement(path: str) -> None:
    missing = set(MEASUREMENTS) - WRITTEN_FOR[path]
    assert not missing, f"{path}: decide what it does with {missing}, then enter that here"


@pytest.mark.parametrize("known", [QUANTITIES, LABELS], ids=["charts", "labels"])
def test_it_shows_every_measurement(known: dict[str, object]) -> None:
    assert set(known) == set(MEASUREMENTS)
