"""Whoever has a role's password tries to take or to destroy what waits for the bridges."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.local.role_client import RoleClient, try_to_connect

pytestmark = pytest.mark.integration

TELEMETRY = "tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry"
OTHERS = ("admin", "dashboard", "gateway")
COUNT = 20


@pytest.fixture(scope="module", autouse=True)
def anew(servers: Any) -> Iterator[None]:
    """The broker's counters begin anew afterwards: no other test sees these attempts."""
    yield
    servers.mosquitto.restart()


@pytest.fixture
def make_client(servers: Any) -> Iterator[Any]:
    clients = []

    def make(role: str, *, client_id: str = "") -> RoleClient:
        clients.append(RoleClient(servers.environ, role, client_id=client_id))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


class Backlog:
    """A bridge that is away, and messages that wait for it."""

    def __init__(self, make_client: Any) -> None:
        self.make_client = make_client
        self.client_id = f"bridge-{secrets.token_hex(4)}"
        self.group = secrets.token_hex(4)
        bridge = make_client("bridge", client_id=self.client_id)
        bridge.connect(expiry_s=600)
        bridge.subscribe(f"$share/{self.group}/tds_new/#")
        bridge.close()
        self.gateway = make_client("gateway")
        self.gateway.connect()

    def publish(self, *, expiry_s: int = 0) -> list[bytes]:
        payloads = [b"%d" % number for number in range(COUNT)]
        for payload in payloads:
            assert self.gateway.publish(TELEMETRY, payload, expiry_s=expiry_s) == "Success"
        return payloads

    def collect(self) -> list[bytes]:
        """What the bridge gets when it comes back."""
        bridge = self.make_client("bridge", client_id=self.client_id)
        bridge.connect(expiry_s=600)
        try:
            bridge.wait_for(COUNT)
            return list(bridge.payloads)
        finally:
            bridge.close()


@pytest.fixture
def backlog(make_client: Any) -> Iterator[Backlog]:
    waiting = Backlog(make_client)
    yield waiting
    make_client("bridge", client_id=waiting.client_id).connect()  # a clean start ends the session


def read_counter(make_client: Any, kind: str, user: str) -> int:
    admin = make_client("admin")
    admin.connect()
    admin.subscribe(f"$SYS/tds/{kind}/{user}")
    value = int(admin.wait_for_topic(f"$SYS/tds/{kind}/{user}"))
    admin.close()
    return value


@pytest.mark.parametrize("role", OTHERS)
@pytest.mark.parametrize("clean_start", [True, False])
def test_it_keeps_a_bridges_session_when_another_role_connects_with_its_client_id(
    servers, make_client, backlog, role, clean_start
):
    payloads = backlog.publish()

    thief = make_client(role, client_id=backlog.client_id)
    answer = thief.connect(expiry_s=0 if clean_start else 600, clean_start=clean_start)

    assert backlog.collect() == payloads
    assert answer == "Client identifier not valid"
    assert thief.payloads == []
    assert read_counter(make_client, "denied_client_id", role) >= 1
    assert f"user '{role}', client id '{backlog.client_id}'" in servers.mosquitto.log.read_text()


def test_it_keeps_a_bridges_connection_when_its_client_id_is_tried_again_and_again(
    servers, make_client, backlog
):
    bridge = make_client("bridge", client_id=backlog.client_id)
    bridge.connect(expiry_s=600)
    answers = {try_to_connect(servers.environ, client_id=backlog.client_id) for _ in range(1000)}
    payloads = backlog.publish()

    bridge.wait_for(COUNT)

    assert bridge.payloads == payloads
    assert answers == {bytes.fromhex("20 03 00 85 00")}  # CONNACK: client identifier not valid
    lines = servers.mosquitto.log.read_text().count(f"client id '{backlog.client_id}'")
    assert 1 <= lines < 1000  # at most 20 a second; all are counted


@pytest.mark.parametrize("role", OTHERS)
@pytest.mark.parametrize("topic", ["tds_new/#", "#", "tds_new/devices/+/telemetry"])
def test_it_gives_a_bridge_every_message_when_another_role_asks_to_share(
    make_client, backlog, role, topic
):
    thief = make_client(role)
    thief.connect()
    answer = thief.subscribe(f"$share/{backlog.group}/{topic}")

    payloads = backlog.publish()

    assert backlog.collect() == payloads
    assert answer == "Not authorized"
    assert thief.payloads == []
    assert read_counter(make_client, "denied_subscription", role) >= 1


def test_it_delivers_a_message_after_its_end_when_the_publisher_gave_it_one(make_client, backlog):
    admin = make_client("admin")
    admin.connect()
    admin.subscribe("$SYS/broker/publish/messages/dropped")
    payloads = backlog.publish(expiry_s=1)
    time.sleep(2.5)

    assert sorted(set(backlog.collect())) == sorted(payloads)
    assert read_counter(make_client, "removed_expiry", "gateway") >= COUNT
    time.sleep(6)  # the broker's own figures come every 5 s
    assert not any(map(int, admin.payloads))  # what ended was there twice, and is no loss


def test_it_delivers_a_message_with_an_end_when_the_broker_is_killed_meanwhile(
    servers, make_client, backlog
):
    payloads = backlog.publish(expiry_s=1)
    servers.mosquitto.kill()
    time.sleep(2.5)
    servers.mosquitto.start()

    assert sorted(set(backlog.collect())) == sorted(payloads)


@pytest.mark.parametrize("topic", ["#", "tds_new/#", "+/devices/+/telemetry", "$SYS/#"])
def test_it_refuses_a_subscription_when_a_gateway_may_not_read_that(make_client, topic):
    gateway = make_client("gateway")
    gateway.connect()

    assert gateway.subscribe(topic) == "Not authorized"


def test_it_counts_a_refused_message_when_a_role_may_not_publish_there(servers, make_client):
    dashboard = make_client("dashboard")
    dashboard.connect()

    assert dashboard.publish(TELEMETRY) == "Not authorized"
    assert read_counter(make_client, "denied_publish", "dashboard") >= 1
    assert f"'{TELEMETRY}': the ACL does not let" in servers.mosquitto.log.read_text()


def test_it_refuses_a_bridge_when_its_client_id_is_not_protected(make_client):
    assert make_client("bridge", client_id="mine").connect() == "Client identifier not valid"


@pytest.mark.parametrize("role", OTHERS)
def test_it_refuses_a_client_when_it_asks_for_another_way_to_authenticate(
    servers, make_client, backlog, role
):
    """Extended authentication must be no way round the check of client ids."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    payloads = backlog.publish()
    answers: list[str] = []
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=backlog.client_id, protocol=mqtt.MQTTv5
    )
    client.on_connect = lambda _c, _d, _f, reason, _p: answers.append(str(reason))
    properties = Properties(PacketTypes.CONNECT)
    properties.AuthenticationMethod = "PLAIN"
    client.username_pw_set(role, servers.environ[f"MQTT_{role.upper()}_PASSWORD"])
    client.connect(
        servers.environ["MQTT_HOST"], int(servers.environ["MQTT_PORT"]), properties=properties
    )
    deadline = time.monotonic() + 5
    while not answers and time.monotonic() < deadline and not client.loop(0.1):
        pass

    assert answers != ["Success"]
    assert backlog.collect() == payloads


def test_it_retains_nothing_and_counts_it_when_a_gateway_asks_for_it(make_client):
    gateway, dashboard = make_client("gateway"), make_client("dashboard")
    gateway.connect()
    topic = f"{TELEMETRY}/{secrets.token_hex(4)}"

    gateway.publish(topic, retain=True)
    dashboard.connect()
    dashboard.subscribe(topic)
    gateway.publish(topic, b"after")

    dashboard.wait_for(1)
    assert dashboard.payloads == [b"after"]
    assert read_counter(make_client, "removed_retain", "gateway") >= 1


@pytest.mark.parametrize("role", OTHERS)
def test_it_ends_a_session_with_its_connection_when_it_is_no_bridges(make_client, role):
    """Or the broker would queue everything for a session that nobody comes back to."""
    client_id = f"away-{secrets.token_hex(4)}"
    client = make_client(role, client_id=client_id)
    client.connect(expiry_s=0xFFFFFFFF)
    client.close()

    again = make_client(role, client_id=client_id)
    again.connect(expiry_s=600)

    assert not again.is_present


def test_it_keeps_the_session_of_a_bridge(make_client):
    client_id = f"bridge-{secrets.token_hex(4)}"
    bridge = make_client("bridge", client_id=client_id)
    bridge.connect(expiry_s=0xFFFFFFFF)
    bridge.close()

    again = make_client("bridge", client_id=client_id)
    again.connect(expiry_s=600)

    assert again.is_present
