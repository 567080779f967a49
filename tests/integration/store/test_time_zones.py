"""Python and the database cut days by the same time zones, or it is said."""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.signals import worker_ready

from telemetry.core.batch import COMPARE_ZONES_TASK
from telemetry.models import Account, TaskRun
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import Connection
from telemetry.store.operations import time_zones
from telemetry.store.operations.task_ages import read_task_ages
from telemetry.store.operations.time_zones import ZoneDifference, compare_zones
from tests.integration.test_chains import take_task
from tests.status import read_test_status
from workers.maintenance import compare_time_zones
from workers.schedule import ensure_schedule

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 29, tzinfo=UTC)
CHANGED = (  # the rules of these changed in 2026
    "Africa/Casablanca",
    "America/Edmonton",
    "America/Vancouver",
)


@pytest.fixture(autouse=True)
def _accounts(connection: Connection) -> None:
    for name in (*CHANGED, "America/Sao_Paulo", "Asia/Kolkata", "Europe/Lisbon", "UTC"):
        Account.objects.create(name=name, time_zone=name)


def plant(monkeypatch: pytest.MonkeyPatch, zone: str, *, folder: str, file_name: str) -> None:
    """Let Python read the rules of another zone in the place of its own."""

    def read(name: str) -> ZoneInfo:
        if name != zone:
            return ZoneInfo(name)
        with files(f"tzdata.zoneinfo.{folder}").joinpath(file_name).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)

    monkeypatch.setattr(time_zones, "ZoneInfo", read)


def plant_old_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vancouver as it was before 2026, when it kept the time of Los Angeles."""
    plant(monkeypatch, "America/Vancouver", folder="America", file_name="Los_Angeles")


def test_it_finds_python_and_the_database_of_one_mind(connection: Connection) -> None:
    assert compare_zones(connection, now=NOW) == []


def test_it_names_the_zone_and_the_first_minute_that_differ(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_old_data(monkeypatch)
    [found] = compare_zones(connection, now=NOW)
    at = datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert found == ZoneDifference("America/Vancouver", at, -8 * 3_600, -7 * 3_600)
    assert str(found) == (
        "America/Vancouver from 2026-11-01 09:00 UTC on: -08:00 by Python, -07:00 by the database"
    )


def test_it_names_the_first_minute_of_a_change_that_only_the_database_knows(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sao Paulo's summer time of ten years ago, without its end."""
    plant(monkeypatch, "America/Sao_Paulo", folder="Etc", file_name="GMT+2")
    [found] = compare_zones(connection, now=NOW)
    at = datetime(2017, 2, 19, 2, tzinfo=UTC)
    assert found == ZoneDifference("America/Sao_Paulo", at, -2 * 3_600, -3 * 3_600)


def test_it_names_a_zone_that_python_lacks(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(name: str) -> Any:
        return ZoneInfo("Mars/Olympus" if name == "UTC" else name)

    monkeypatch.setattr(time_zones, "ZoneInfo", read)
    [found] = compare_zones(connection, now=NOW)
    assert str(found) == "UTC is unknown to Python or to the database"


@pytest.mark.parametrize("name", ["../UTC", "America"])
def test_it_compares_the_others_when_a_name_is_no_zone_at_all(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(
        time_zones, "ZoneInfo", lambda each: ZoneInfo(name if each == "UTC" else each)
    )
    [found] = compare_zones(connection, now=NOW)
    assert str(found) == "UTC is unknown to Python or to the database"


def test_it_asks_at_each_start_of_the_pool(
    queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.maintenance.app", queue._app)
    worker_ready.send(sender=None)
    assert take_task(queue).name == COMPARE_ZONES_TASK


def test_it_is_ill_until_the_zones_agree(
    queue: BatchQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> list[str]:
        status = read_test_status(queue, read_tasks=read_task_ages)
        return [text for text in status.problems if "time zones" in text]

    ensure_schedule()
    with monkeypatch.context() as planted:
        plant_old_data(planted)
        compare_time_zones()
    assert TaskRun.objects.get(name=COMPARE_ZONES_TASK).result["zones"] == 1
    [problem] = ask()
    assert problem.startswith(
        f"task {COMPARE_ZONES_TASK}: time zones differ, so days do: America/Vancouver from 2026"
    )
    assert "verify_aggregates --repair" in problem
    compare_time_zones()
    assert ask() == []
