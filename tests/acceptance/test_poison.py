"""Messages that end their worker, or fail every time: one dead letter, all others stored."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.conftest import Gateways, Pipeline, fetch
from tests.acceptance.poisoned_worker import KILL, RAISE
from tests.acceptance.processes import wait_until
from tests.acceptance.test_faults import wait_for_acknowledged
from tests.messages import TOPIC, make_payload

pytestmark = pytest.mark.acceptance

COUNT = 300
START = datetime.now(UTC) - timedelta(hours=3)


@pytest.mark.parametrize("poison", [KILL, RAISE], ids=["kills", "raises"])
def test_it_isolates_the_one_message_that_cannot_be_stored(
    empty_pipeline: Pipeline, gateways: Gateways, poison: bytes
) -> None:
    pipeline = empty_pipeline
    pipeline.environ["BATCH_STALE_AFTER_S"] = "2"
    pipeline.add_bridge()
    infos = []
    for number in range(COUNT):
        payload = make_payload(at=(START + timedelta(milliseconds=number)).isoformat())
        if number == COUNT // 3:
            payload = payload[:-1] + b', "note": "' + poison + b'"}'
        infos.append(gateways.publish(TOPIC, payload))
    wait_for_acknowledged(infos)
    pool = ("-Q", "ingest", "-n", "ingest@test", "--concurrency", "2", "--without-gossip")
    pipeline.add("poisoned", "-m", "tests.acceptance.poisoned_worker", "worker", *pool)
    pipeline.add_worker("maintenance")
    pipeline.add("beat", "-m", "celery", "-A", "config", "beat")
    wait_until(
        lambda: not pipeline.queue.snapshot().pending and pipeline.report().received == COUNT,
        timeout_s=120,
        what="all are accounted for",
    )
    report = pipeline.report()
    assert (report.stored, report.dead_lettered, report.difference) == (COUNT - 1, 1, 0)
    [(reason, payload, occurrences)] = fetch(
        pipeline.connection, "SELECT reason, payload, occurrences FROM dead_letter"
    )
    assert reason == "processing_error"
    assert poison in bytes(payload)
    assert occurrences == 1
    assert pipeline.processes["poisoned"].is_running
