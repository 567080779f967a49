"""The listeners with TLS: a gateway is who its certificate says, and nobody else."""

import socket
import sqlite3
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.acceptance.processes import wait_until
from tests.certificates import Wallet

pytestmark = pytest.mark.integration

GATEWAY = "aa:bb:cc:dd:ee:ff"
OWN = f"tds_new/devices/{GATEWAY}"
WAIT_S = 10.0


@pytest.fixture(scope="module")
def folder(servers: Any) -> Path:
    return Path(servers.environ["MQTT_TLS_FOLDER"])


def connect(
    environ: dict[str, str],
    port: str,
    *,
    ca: Path,
    pair: Path | None,
    client_id: str = "",
    role: str = "",
    expiry_s: int = 0,
) -> tuple[str, mqtt.Client]:
    """Connect; the broker's answer to CONNECT, or what ended the connection."""
    context = ssl.create_default_context(cafile=ca)
    if pair is not None:
        context.load_cert_chain(pair.with_suffix(".crt"), pair.with_suffix(".key"))
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5
    )
    client.tls_set_context(context)
    if role:
        client.username_pw_set(role, environ[f"MQTT_{role.upper()}_PASSWORD"])
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = expiry_s
    answers: list[str] = []
    answered = threading.Event()

    def note(answer: str) -> None:
        answers.append(answer)
        answered.set()

    client.on_connect = lambda _c, _d, _f, reason, _p: note(str(reason))
    client.on_disconnect = lambda *_: note("closed")
    try:
        client.connect(
            environ["MQTT_HOST"],
            int(environ[port]),
            clean_start=not expiry_s,
            properties=properties,
        )
    except OSError as error:
        return type(error).__name__, client
    client.loop_start()
    assert answered.wait(WAIT_S)
    return answers[0], client


def publish(client: mqtt.Client, topic: str, payload: bytes = b"x") -> str:
    answers: list[str] = []
    answered = threading.Event()

    def note(_c: Any, _d: Any, _mid: int, reason: Any, _p: Any) -> None:
        answers.append(str(reason))
        answered.set()

    client.on_publish = note
    client.publish(topic, payload, qos=1)
    assert answered.wait(WAIT_S)
    return answers[0]


@pytest.fixture(scope="module")
def pair(servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway's certificate and key."""
    return Wallet(servers.environ, tmp_path_factory.mktemp("pairs")).make(GATEWAY)


def test_it_lets_a_gateway_publish_below_its_own_topics_and_nowhere_else(servers, folder, pair):
    answer, client = connect(servers.environ, "MQTT_TLS_PORT", ca=folder / "ca.crt", pair=pair)

    assert answer == "Success"
    own = publish(client, f"{OWN}/telemetry")
    assert own in ("Success", "No matching subscribers")
    assert publish(client, "tds_new/devices/aa:bb:cc:dd:ee:02/telemetry") == "Not authorized"
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("port", ["MQTT_TLS_PORT", "MQTT_SERVICE_PORT"])
def test_it_refuses_a_client_when_it_has_no_certificate(servers, folder, port):
    answer, client = connect(servers.environ, port, ca=folder / "ca.crt", pair=None, role="bridge")
    client.loop_stop()

    assert answer not in ("Success", "Not authorized")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("port", ["MQTT_TLS_PORT", "MQTT_SERVICE_PORT"])
def test_it_speaks_tls_1_2_and_not_1_1(servers, folder, pair, port):
    own = pair if port == "MQTT_TLS_PORT" else folder / "service"

    def shake_hands(version: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(own.with_suffix(".crt"), own.with_suffix(".key"))
        address = (servers.environ["MQTT_HOST"], int(servers.environ[port]))
        with (
            socket.create_connection(address, timeout=WAIT_S) as plain,
            context.wrap_socket(plain, server_hostname=address[0]) as encrypted,
        ):
            return encrypted.version()

    assert shake_hands(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises((ssl.SSLError, OSError)):
        shake_hands(ssl.TLSVersion.TLSv1_1)


def test_it_keeps_a_bridges_session_when_a_stolen_gateway_certificate_asks_for_its_client_id(
    servers, folder, pair
):
    ca, environ = folder / "ca.crt", servers.environ
    answer, bridge = connect(
        environ,
        "MQTT_SERVICE_PORT",
        ca=ca,
        pair=folder / "service",
        role="bridge",
        client_id="bridge-tls",
    )
    assert answer == "Success"

    # Where certificates are names the client id becomes the MAC, whatever is asked for.
    answer, stolen = connect(
        environ, "MQTT_TLS_PORT", ca=ca, pair=pair, client_id="bridge-tls", role="bridge"
    )
    assert answer == "Success"
    assert publish(stolen, "tds_new/devices/aa:bb:cc:dd:ee:02/telemetry") == "Not authorized"
    # The listener of processes does not know the CA of gateways.
    refused, other = connect(
        environ,
        "MQTT_SERVICE_PORT",
        ca=ca,
        pair=pair,
        role="bridge",
        client_id="bridge-tls",
    )

    assert refused not in ("Success", "Client identifier not valid")
    assert bridge.is_connected()
    for client in (bridge, stolen, other):
        client.disconnect()
        client.loop_stop()


def test_it_keeps_a_gateways_session_for_a_day_when_its_certificate_names_it(servers, folder, pair):
    """It may wait for commands; the broker's database says until when."""
    answer, client = connect(
        servers.environ,
        "MQTT_TLS_PORT",
        ca=folder / "ca.crt",
        pair=pair,
        expiry_s=0xFFFFFFFF,
    )
    assert answer == "Success"
    client.disconnect()
    client.loop_stop()

    def read_end_s() -> float:
        """How long the session still has; it is noted when the broker's round ends."""
        with sqlite3.connect(servers.mosquitto.folder / "sessions.db") as database:
            row = database.execute(
                "select session_expiry_time from clients where client_id = ?", [GATEWAY]
            ).fetchone()
        return float(row[0]) - time.time() if row else 0.0

    wait_until(lambda: read_end_s() > 0, timeout_s=WAIT_S, what="the session has an end")
    assert read_end_s() == pytest.approx(86_400, abs=60)
