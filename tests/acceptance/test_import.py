"""An import that is killed in the middle, beside live messages: nothing lost, nothing twice."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.conftest import Gateways, Pipeline, fetch
from tests.acceptance.processes import Process, wait_until
from tests.acceptance.test_faults import publish_many, wait_for_acknowledged
from tests.messages import MAC

pytestmark = pytest.mark.acceptance

LINES = 60_000
LIVE = 500
BAD = ("X{0},5,kWh", "D01,x{0},kWh", "D01,-{0}1,kWh", "D01,5,unit{0}", "D01,{0}")


def write_history(file: Path, *, lines: int = LINES) -> None:
    """One reading a line over the last hours; every 100th line is bad, in ways that take turns."""
    start = datetime.now(UTC) - timedelta(days=2)
    with file.open("w", encoding="utf-8") as history:
        history.write("gateway_mac,timestamp,device_code,value,unit\n")
        for number in range(lines):
            at = (start + timedelta(seconds=number)).isoformat()
            rest = f"D01,{number}.25,kWh"
            if number % 100 == 50:
                rest = BAD[number // 100 % len(BAD)].format(number)
            history.write(f"{MAC},{at},{rest}\n")


def start_import(pipeline: Pipeline, name: str, file: Path) -> Process:
    return pipeline.add(name, "manage.py", "import_readings", str(file), "--json")


def test_it_imports_every_line_once_when_it_is_killed_in_the_middle(
    ingesting: Pipeline, gateways: Gateways, tmp_path: Path
) -> None:
    ingesting.add_safety_net()
    file = tmp_path / "history.csv"
    write_history(file)
    killed = start_import(ingesting, "killed", file)
    wait_until(
        lambda: ingesting.queue.snapshot().received_messages > 4_000,
        timeout_s=60,
        every_s=0.01,
        what=lambda: f"some batches are sent\n{killed.read_log()}",
    )
    killed.kill()
    assert ingesting.queue.snapshot().received_messages < LINES, "it was not in the middle"
    infos = publish_many(gateways, count=LIVE)
    resumed = start_import(ingesting, "resumed", file)
    wait_for_acknowledged(infos)
    assert resumed.wait(timeout_s=120) == 0, resumed.read_log()
    done = json.loads(resumed.read_log().splitlines()[-1])
    bad = LINES // 100
    assert 4_000 < done["sent_before"] < LINES
    assert (done["lines"], done["difference"]) == (LINES, 0)
    assert (done["messages_stored"], done["messages_duplicate"]) == (LINES - bad, 0)
    assert (done["messages_dead_lettered"], done["dead_letters"]) == (bad, bad)
    assert done["dead_letters_by_reason"] == dict.fromkeys(
        ("bad_json", "bad_value", "negative_value", "unit_mismatch", "unknown_device"), bad // 5
    )
    report = ingesting.wait_for_received(LINES + LIVE)
    assert report.is_balanced, report
    assert report.received == LINES + LIVE
    assert report.rows == LINES - bad + LIVE - LIVE // 50
    assert fetch(
        ingesting.connection, "SELECT count(*) - count(DISTINCT (device_id, time)) FROM reading"
    ) == [(0,)]
