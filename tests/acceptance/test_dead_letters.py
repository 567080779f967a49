"""Dead letters at scale: copies are one row; many different ones are sent again soon."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from telemetry.core.batch import RawMessage
from tests import forks
from tests.acceptance.conftest import Gateways, Pipeline, fetch, start_together
from tests.acceptance.test_faults import publish_many, wait_for_acknowledged
from tests.messages import make_payload

pytestmark = pytest.mark.acceptance

COPIES = 1_000_000
BATCH = 5_000
DIFFERENT = 10_000
LIVE = 2_000
MAC = "02:5e:00:00:00:01"
START = datetime.now(UTC) - timedelta(hours=6)


def test_it_keeps_a_million_copies_of_one_bad_message_in_one_row(empty_pipeline: Pipeline) -> None:
    ingesting = empty_pipeline
    ingesting.environ |= {"LIMIT_GATEWAY_RATE": "1000000", "LIMIT_ACCOUNT_RATE": "1000000"}
    start_together(ingesting, "ingest")
    bad = RawMessage("tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry", b"{")
    for _ in range(COPIES // BATCH):
        ingesting.queue.put([bad] * BATCH, source="test")
    report = ingesting.wait_for_received(COPIES, timeout_s=180)
    assert report.is_balanced
    assert fetch(ingesting.connection, "SELECT reason, occurrences FROM dead_letter") == [
        ("bad_json", COPIES)
    ]


def test_it_sends_ten_thousand_different_ones_again_while_live_data_flows(
    ingesting: Pipeline, gateways: Gateways
) -> None:
    from telemetry.models import Account, Device, Gateway

    topic = f"tds_new/devices/{MAC}/telemetry"
    messages = [
        RawMessage(
            topic, make_payload(mac=MAC, at=(START + timedelta(milliseconds=number)).isoformat())
        )
        for number in range(DIFFERENT)
    ]
    for start in range(0, DIFFERENT, 500):
        ingesting.queue.put(messages[start : start + 500], source="test")
    report = ingesting.wait_for_received(DIFFERENT)
    assert report.dead_letters_by_reason == {"unknown_gateway": DIFFERENT}
    gateway = Gateway(account=Account.objects.get(name="Second Account"), code="NEW", mac=MAC)
    # In bulk: no signal, so that the command below and not the schedule sends them again.
    Gateway.objects.bulk_create([gateway])
    Device.objects.bulk_create(
        [
            Device(
                gateway=gateway,
                account=gateway.account,
                code="D01",
                kind="meter",
                measurement="delta",
                unit="kWh",
            )
        ]
    )
    infos = publish_many(gateways, count=LIVE)
    started_s = time.monotonic()
    command = ("manage.py", "replay_dead_letters", "--reason", "unknown_gateway")
    done = forks.run(command, ingesting.environ)
    assert f"{DIFFERENT} dead letters sent again" in done.stdout, done.stderr
    wait_for_acknowledged(infos)
    report = ingesting.wait_for_received(2 * DIFFERENT + LIVE, timeout_s=60)
    # Seen: 5 s on two cores. The minute, ten times over, is no matter of a slow machine.
    assert time.monotonic() - started_s < 60
    assert report.is_balanced
    assert report.stored == DIFFERENT + LIVE - LIVE // 50
    states = "SELECT state, count(*) FROM dead_letter GROUP BY 1 ORDER BY 1"
    assert fetch(ingesting.connection, states) == [
        ("pending", LIVE // 50),
        ("replayed", DIFFERENT),
    ]
