"""What gateways publish below the prefix on a wrong topic is seen, and everything comes once."""

from datetime import UTC, datetime, timedelta

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from config.env import read_options
from config.options.bridge import BridgeOptions
from ingest_bridge.session import NEVER_EXPIRES
from telemetry.core.topic import former_subscription
from telemetry.queue.statuses import OFFLINE_KEY, ONLINE_KEY
from tests.acceptance.conftest import Gateways, Pipeline, fetch
from tests.acceptance.processes import wait_until
from tests.messages import MAC, TOPIC, make_payload

pytestmark = pytest.mark.acceptance

START = datetime.now(UTC) - timedelta(hours=1)


def make_payloads(count: int, *, first: int = 0) -> list[bytes]:
    return [
        make_payload(at=(START + timedelta(seconds=first + number)).isoformat())
        for number in range(count)
    ]


def test_it_keeps_a_dead_letter_with_the_gateway_when_its_topic_is_misspelled(
    ingesting: Pipeline, gateways: Gateways
) -> None:
    topics = [
        f"{TOPIC}/",
        TOPIC.replace("telemetry", "Telemetry"),
        f"tds_new/device/{MAC.replace(':', '-').upper()}/telemetry",
        f"tds_new/{MAC.replace(':', '')}",
        "tds_new/devices/not-a-mac/telemetry",
    ]
    for topic in topics:
        gateways.publish_and_wait(topic, make_payload())
    assert ingesting.wait_for_received(len(topics)).is_balanced
    found = fetch(
        ingesting.connection,
        "SELECT d.topic, d.reason, d.mac, g.mac, d.account_id = g.account_id"
        " FROM dead_letter d LEFT JOIN gateway g ON g.id = d.gateway_id ORDER BY d.id",
    )
    assert sorted(found) == sorted(
        (topic, "bad_topic", "", None, None)
        if "not-a-mac" in topic
        else (topic, "bad_topic", MAC, MAC, True)
        for topic in topics
    )


def test_it_counts_no_status_and_no_last_will_as_telemetry(
    ingesting: Pipeline, gateways: Gateways, stack_environ: dict[str, str]
) -> None:
    status = TOPIC.replace("telemetry", "status")
    gateway = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    gateway.username_pw_set(
        stack_environ["MQTT_GATEWAY_USER"], stack_environ["MQTT_GATEWAY_PASSWORD"]
    )
    gateway.will_set(status, b"offline", qos=1)
    gateway.connect(stack_environ["MQTT_HOST"], int(stack_environ["MQTT_PORT"]))
    gateway.loop_start()
    gateway.publish(status, b"online", qos=1).wait_for_publish(10)
    gateway.loop_stop()
    gateway.socket().close()  # type: ignore[union-attr]  # no DISCONNECT
    redis = ingesting.queue.redis
    wait_until(lambda: redis.zscore(OFFLINE_KEY, MAC), timeout_s=10, what="the will is noted")
    assert redis.zscore(ONLINE_KEY, MAC)

    [payload] = make_payloads(1)
    gateways.publish_and_wait(TOPIC, payload)
    report = ingesting.wait_for_received(1)
    assert (report.received, report.stored, report.is_balanced) == (1, 1, True)


def leave_former_session(environ: dict[str, str], *, client_id: str) -> None:
    """What a bridge of before leaves at the broker: a session with the subscription of then."""
    options = read_options(BridgeOptions, environ)
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
    )
    client.username_pw_set(options.user, options.password)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = NEVER_EXPIRES
    subscribed: list[object] = []
    client.on_subscribe = lambda *_: subscribed.append(True)
    client.connect(options.broker.host, options.broker.port, properties=properties)
    client.loop_start()
    wait_until(client.is_connected, timeout_s=10, what="a session")
    client.subscribe(
        former_subscription(options.topic.prefix, share_group=options.share_group), qos=1
    )
    wait_until(lambda: bool(subscribed), timeout_s=10, what="the subscription")
    client.disconnect()
    client.loop_stop()


def test_it_takes_every_message_once_when_its_session_is_a_former_bridges(
    empty_pipeline: Pipeline, gateways: Gateways
) -> None:
    leave_former_session(empty_pipeline.environ, client_id="bridge-1")
    for payload in make_payloads(20):  # queued for the former subscription
        gateways.publish_and_wait(TOPIC, payload)
    empty_pipeline.add_bridge()
    empty_pipeline.add_worker("ingest")
    empty_pipeline.wait_for_received(20)
    for payload in make_payloads(30, first=20):
        gateways.publish_and_wait(TOPIC, payload)
    gateways.publish_and_wait(f"{TOPIC}/", b"the last one: what came twice has come before it")
    report = empty_pipeline.wait_for_received(51)
    assert (report.received, report.stored, report.readings.duplicate) == (51, 50, 0)
    assert report.dead_letters_by_reason == {"bad_topic": 1}


def test_it_ends_a_former_bridges_session_when_that_is_retired(
    empty_pipeline: Pipeline, gateways: Gateways
) -> None:
    """Also while gateways go on: by its former subscription it would never be drained."""
    leave_former_session(empty_pipeline.environ, client_id="bridge-9")
    for payload in make_payloads(5):
        gateways.publish_and_wait(TOPIC, payload)
    empty_pipeline.add_worker("ingest")
    retired = empty_pipeline.add(
        "retire", "-m", "ingest_bridge", "--retire", "--client-id", "bridge-9"
    )
    live = iter(make_payloads(400, first=5))

    def is_ended() -> bool:
        gateways.publish_and_wait(TOPIC, next(live))
        return not retired.is_running

    wait_until(is_ended, timeout_s=40, what=retired.read_log, every_s=0.2)
    assert retired.wait(timeout_s=1) == 0, retired.read_log()
    report = empty_pipeline.wait_for_received(5)
    assert report.received == report.stored >= 5
    assert report.difference == 0
