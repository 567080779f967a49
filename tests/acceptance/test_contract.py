"""All cases of the message contract, in order, through the real way."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Gateways, Pipeline, fetch
from tests.conftest import CONTRACT
from tests.contract_cases import CASES, fill_in

pytestmark = pytest.mark.acceptance

SHARED = Path(__file__).parents[3] / "shared" / "contract"


def test_it_keeps_the_cases_as_they_were_handed_over() -> None:
    assert len(CASES) == 65
    if SHARED.is_dir():
        for name in ("messages.jsonl", "fleet.json"):
            assert (CONTRACT / name).read_bytes() == (SHARED / name).read_bytes()


def count_outcomes(pipeline: Pipeline) -> tuple[int, int, dict[str, int]]:
    report = pipeline.report()
    assert report.is_balanced, report
    return report.readings.stored, report.readings.duplicate, report.dead_letters_by_reason


def run_case(
    case: dict[str, Any], pipeline: Pipeline, gateways: Gateways, start: datetime
) -> dict[str, Any]:
    """Send one case and say what became of it."""
    stored, duplicate, rejected = count_outcomes(pipeline)
    received = pipeline.queue.snapshot().received_messages
    payload = fill_in(case, start)
    gateways.publish_and_wait(case["topic"], payload)
    pipeline.wait_for_received(received + 1, timeout_s=20)
    after = count_outcomes(pipeline)
    return {
        "stored": after[0] - stored,
        "duplicate": after[1] - duplicate,
        "rejected": sorted(
            reason
            for reason, count in after[2].items()
            for _ in range(count - rejected.get(reason, 0))
        ),
    }


def test_it_does_with_every_case_what_the_contract_says(
    ingesting: Pipeline, gateways: Gateways, subtests: Iterator[Any]
) -> None:
    start = datetime.now(UTC)
    for case in CASES:
        with subtests.test(case["name"]):  # type: ignore[attr-defined]
            expected = {**case["expect"], "rejected": sorted(case["expect"]["rejected"])}
            assert run_case(case, ingesting, gateways, start) == expected
    assert fetch(ingesting.connection, "SELECT value::text FROM reading ORDER BY time DESC")


def test_it_shows_the_gateway_online_and_exact_values(
    ingesting: Pipeline, gateways: Gateways
) -> None:
    start = datetime.now(UTC)
    gateways.publish_and_wait(CASES[0]["topic"], fill_in(CASES[0], start))
    ingesting.wait_for_received(1, timeout_s=5)
    rows = fetch(
        ingesting.connection,
        "SELECT d.code, r.value::text, r.unit"
        " FROM reading r JOIN device d ON d.id = r.device_id ORDER BY 1",
    )
    assert rows == [
        ("D01", "123.4500", "kWh"),
        ("D02", "67.8900", "m³"),
        ("D03", "22.5000", "°C"),
    ]
    [(is_online, last_seen)] = fetch(
        ingesting.connection,
        "SELECT is_online, last_seen FROM gateway WHERE mac = 'aa:bb:cc:dd:ee:ff'",
    )
    assert is_online
    assert last_seen >= start - timedelta(seconds=1)
