"""kill -9 in the middle: nothing lost, nothing twice."""

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from telemetry.queue.bridges import read_bridges
from tests.acceptance.conftest import Gateways, Pipeline, fetch
from tests.acceptance.processes import wait_until
from tests.messages import TOPIC, make_payload

pytestmark = pytest.mark.acceptance

COUNT = 6_000
START = datetime.now(UTC) - timedelta(hours=1)


def publish_many(gateways: Gateways, *, count: int = COUNT, offset: int = 0) -> list[object]:
    """Publish messages whose times are all different; every 50th is bad, each in its own way."""
    infos = []
    for number in range(offset, offset + count):
        at = (START + timedelta(milliseconds=number)).isoformat()
        code = f"X{number}" if number % 50 == 0 else "D01"
        infos.append(gateways.publish(TOPIC, make_payload(code=code, at=at)))
    return infos


def assert_all_accounted(pipeline: Pipeline, *, count: int) -> None:
    """Every acknowledged message is stored once or dead-lettered; the delivery report balances."""
    report = pipeline.wait_for_received(count, timeout_s=120)
    assert report.is_balanced, report
    bad = count // 50
    assert report.rows == count - bad
    [(dead_letters,)] = fetch(pipeline.connection, "SELECT count(*) FROM dead_letter")
    assert dead_letters == bad
    [(rows, keys)] = fetch(
        pipeline.connection, "SELECT count(*), count(DISTINCT (device_id, time)) FROM reading"
    )
    assert rows == keys


def wait_for_acknowledged(infos: list[object]) -> None:
    for info in infos:
        info.wait_for_publish(60)  # type: ignore[attr-defined]


def test_it_loses_nothing_when_a_worker_child_is_killed_in_mid_batch(
    ingesting: Pipeline, gateways: Gateways
) -> None:
    infos = publish_many(gateways)
    wait_until(lambda: ingesting.report().stored > 500, timeout_s=60, what="500 messages stored")
    os.kill(ingesting.processes["ingest"].children()[0], signal.SIGKILL)
    wait_for_acknowledged(infos)
    assert_all_accounted(ingesting, count=COUNT)


def test_it_loses_nothing_when_the_whole_worker_is_killed(
    ingesting: Pipeline, gateways: Gateways
) -> None:
    ingesting.add_safety_net()
    infos = publish_many(gateways)
    wait_until(lambda: ingesting.report().stored > 500, timeout_s=60, what="500 messages stored")
    ingesting.processes["ingest"].kill()
    wait_for_acknowledged(infos)
    ingesting.add_worker("ingest", concurrency=2)
    assert_all_accounted(ingesting, count=COUNT)


def test_it_loses_nothing_when_the_bridge_is_killed_in_mid_flight(
    ingesting: Pipeline, gateways: Gateways
) -> None:
    """Also when it dies between writing a batch and sending its task: then the safety net sends."""
    ingesting.add_safety_net()
    infos = publish_many(gateways)
    wait_until(
        lambda: ingesting.queue.snapshot().received_messages > 500,
        timeout_s=60,
        what="500 messages received",
    )
    ingesting.processes["bridge-1"].kill()
    infos += publish_many(gateways, count=COUNT, offset=COUNT)
    wait_for_acknowledged(infos)
    ingesting.add_bridge()
    report = ingesting.wait_for_received(2 * COUNT, timeout_s=120)
    assert report.is_balanced, report
    assert report.rows == 2 * COUNT - 2 * COUNT // 50


def test_it_offers_again_a_batch_that_is_in_no_list(empty_pipeline: Pipeline) -> None:
    """As one that was restored from a backup."""
    pipeline = empty_pipeline
    pipeline.environ["BATCH_STALE_AFTER_S"] = "1"
    pipeline.queue.put([_message()], source="test", is_ready=False)
    pipeline.add_worker("ingest")
    pipeline.add_worker("maintenance")
    wait_until(
        lambda: (
            pipeline.queue.snapshot().pending[0].received_at < datetime.now(UTC).timestamp() - 2
        ),
        timeout_s=10,
        what="the batch is stale",
    )
    pipeline.queue._app.send_task("telemetry.requeue_stale_batches", queue="maintenance")  # type: ignore[union-attr]
    assert pipeline.wait_for_received(1, timeout_s=20).stored == 1


def _message() -> object:
    from tests.messages import make_message

    return make_message(at=START.isoformat())


def test_it_ends_with_one_clear_error_when_two_bridges_have_one_id(
    empty_pipeline: Pipeline,
) -> None:
    empty_pipeline.add_bridge()
    second = empty_pipeline.add("second", "-m", "ingest_bridge", "--client-id", "bridge-1")
    assert second.wait(timeout_s=40) == 2
    assert "BRIDGE_CLIENT_ID='bridge-1': a bridge with this id is running" in second.read_log()
    assert "Traceback" not in second.read_log()
    assert empty_pipeline.processes["bridge-1"].is_running
    assert empty_pipeline.is_bridge_ready("bridge-1")


def test_it_leaves_nothing_behind_when_a_bridge_is_retired(
    ingesting: Pipeline, gateways: Gateways
) -> None:
    ingesting.add_bridge("bridge-2")
    ingesting.processes["bridge-2"].stop()
    infos = publish_many(gateways, count=500)
    wait_for_acknowledged(infos)
    retired = ingesting.add("retire", "-m", "ingest_bridge", "--retire", "--client-id", "bridge-2")
    assert retired.wait(timeout_s=40) == 0, retired.read_log()
    assert_all_accounted(ingesting, count=500)
    assert ingesting.queue.redis.smembers("ingest:sessions") == {b"bridge-1"}
    assert [bridge.client_id for bridge in read_bridges(ingesting.queue.redis)] == ["bridge-1"]


def test_it_takes_anything_that_is_published_without_a_stall(
    ingesting: Pipeline, gateways: Gateways
) -> None:
    payloads = [b"", b"\0" * 10, b"\xff" * 300, b"{" * 60_000, b"[" * 60_000, b"9" * 65_537]
    payloads += [b'{"gateway_mac":' + b"1" * 60_000, b"x" * 900_000, b"null", b'"\\ud800"']
    for number, payload in enumerate(payloads):
        gateways.publish_and_wait(TOPIC, payload, qos=number % 3)
    gateways.publish_and_wait("tds_new/devices/+bad/telemetry".replace("+", "x"), b"1")
    gateways.publish_and_wait("tds_new/devices/\U0001f600/telemetry", b"1")
    gateways.publish_and_wait(TOPIC, make_payload(at=START.isoformat()))
    report = ingesting.wait_for_received(len(payloads) + 3)
    assert report.is_balanced
    assert report.stored == 1
    assert report.dead_lettered == len(payloads) + 2
    log = "".join(process.read_log() for process in ingesting.processes.values())
    assert "Traceback" not in log


def test_it_sets_a_silent_gateway_offline_and_notes_it(
    pipeline: Pipeline, gateways: Gateways
) -> None:
    pipeline.add("beat", "-m", "celery", "-A", "config", "beat")
    pipeline.connection.execute("UPDATE gateway SET offline_after_s = 5")
    gateways.publish_and_wait(TOPIC, make_payload(at=START.isoformat()))
    pipeline.wait_for_received(1)
    wait_until(
        lambda: fetch(pipeline.connection, "SELECT kind FROM gateway_event WHERE kind = 'offline'"),
        timeout_s=35,
        what="the gateway is offline within its 5 s plus 30 s",
    )
    assert fetch(pipeline.connection, "SELECT kind FROM gateway_event ORDER BY at") == [
        ("online",),
        ("offline",),
    ]
    assert fetch(pipeline.connection, "SELECT count(*) FROM gateway WHERE is_online") == [(0,)]


def test_it_sends_waiting_dead_letters_again_when_the_device_is_registered(
    pipeline: Pipeline, gateways: Gateways
) -> None:
    from telemetry.models import Device, Gateway

    gateways.publish_and_wait(TOPIC, make_payload(code="NEW", at=START.isoformat()))
    assert pipeline.wait_for_received(1).dead_lettered == 1
    Device.objects.create(
        gateway=Gateway.objects.get(mac="aa:bb:cc:dd:ee:ff"),
        code="NEW",
        kind="meter",
        measurement="delta",
        unit="kWh",
    )
    report = pipeline.wait_for_received(2, timeout_s=20)
    assert (report.stored, report.dead_lettered, report.difference) == (1, 1, 0)
    assert fetch(pipeline.connection, "SELECT state FROM dead_letter") == [("replayed",)]
