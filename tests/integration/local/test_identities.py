"""Who may connect to the gateways' listener: each certificate is tried on the real broker.

What is refused is counted by the broker, and shown where operators look.
"""

import os
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from telemetry.certificates.authority import write_file
from telemetry.core.batch import CHECK_CERTIFICATES_TASK
from telemetry.models import Gateway, TaskRun
from telemetry.store.db.connection import Connection
from tests.acceptance.processes import wait_until
from tests.certificates import Wallet, make_other_authority
from tests.integration.local.role_client import RoleClient
from tests.integration.local.test_tls import connect, publish

# Commands, and the pool that signs, have other roles than pages.
pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("as_owner")]

MAC, OTHER = "aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:02"
TOPIC = f"tds_new/devices/{MAC}/telemetry"
PUBLISHED = ("Success", "No matching subscribers")
LONGEST_CUT_S = 60.0
CONNECT = bytes.fromhex("10 0d 0004 4d515454 04 02 003c 0001 78")  # MQTT 3.1.1, client id x


@pytest.fixture(scope="module", autouse=True)
def anew(servers: Any) -> Iterator[None]:
    """The broker's counters begin anew afterwards: no other test sees these attempts."""
    yield
    servers.mosquitto.restart()


@pytest.fixture
def wallet(servers: Any, tmp_path: Path) -> Wallet:
    return Wallet(servers.environ, tmp_path)


@pytest.fixture
def count(servers: Any) -> Iterator[Any]:
    """Reads a counter of the broker; 0 before it counts anything."""
    admins = []

    def read(name: str) -> int:
        admin = RoleClient(servers.environ, "admin")
        admins.append(admin)
        admin.connect()
        admin.subscribe("$SYS/tds/#")
        admin.publish("tds_new/marker")
        time.sleep(0.5)  # the broker tells counters once in a round of its loop
        values = dict(zip(admin.topics, admin.payloads, strict=True))
        return int(values.get(f"$SYS/tds/{name}", 0))

    yield read
    for admin in admins:
        admin.close()


def open_gateway(servers: Any, pair: Path | None) -> tuple[str, Any]:
    ca = Path(servers.environ["MQTT_TLS_FOLDER"]) / "ca.crt"
    answer, client = connect(servers.environ, "MQTT_TLS_PORT", ca=ca, pair=pair)
    return answer, client


def try_gateway(servers: Any, pair: Path | None) -> str:
    answer, client = open_gateway(servers, pair)
    client.disconnect()
    client.loop_stop()
    return answer


def test_it_takes_messages_of_a_gateway_with_the_right_certificate_on_its_own_topics(
    servers, wallet, count
):
    before = count(f"denied_publish/{MAC}")
    answer, client = open_gateway(servers, wallet.make(MAC))
    assert answer == "Success"
    assert publish(client, TOPIC) in PUBLISHED
    assert publish(client, TOPIC.replace("telemetry", "status")) in PUBLISHED
    for topic in (TOPIC, TOPIC.replace("telemetry", "status")):
        assert publish(client, topic.replace(MAC, OTHER)) == "Not authorized"
    client.disconnect()
    client.loop_stop()
    assert count(f"denied_publish/{MAC}") == before + 2


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("none", "peer did not return a certificate"),
        ("self-signed", "certificate verify failed"),
        ("another CA", "certificate verify failed"),
    ],
)
def test_it_refuses_a_certificate_in_the_handshake_and_counts_it(
    servers, wallet, count, kind, reason
):
    name = f"failed_handshake/{reason}"
    before = count(name)
    pair = {
        "none": lambda: None,
        "self-signed": lambda: wallet.make_self_signed(MAC),
        "another CA": lambda: wallet.make(MAC, signer=make_other_authority()),
    }[kind]()
    assert try_gateway(servers, pair) not in ("Success", "Not authorized")
    wait_until(lambda: count(name) == before + 1, timeout_s=10, what="the broker counted it")


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        pytest.param(timedelta(days=1, seconds=1), "has ended", id="expired"),
        pytest.param(timedelta(hours=-2), "is not valid yet", id="not valid yet"),
    ],
)
def test_it_refuses_a_certificate_out_of_its_time_and_counts_it(
    servers, wallet, count, age, reason
):
    before = count(f"denied_certificate/{MAC}")
    assert try_gateway(servers, wallet.make(MAC, days=1, age=age)) == "Not authorized"
    assert count(f"denied_certificate/{MAC}") == before + 1
    assert f"'{MAC}': the certificate {reason}" in servers.mosquitto.log.read_text()


@pytest.mark.parametrize("name", ["bridge", "admin", "lot-1", "AA:BB:CC:DD:EE:FF", f"{MAC} "])
def test_it_refuses_a_certificate_that_names_no_gateway_and_counts_it(servers, wallet, count, name):
    before = count("denied_certificate/(none)")
    assert try_gateway(servers, wallet.make(name)) == "Not authorized"
    assert count("denied_certificate/(none)") == before + 1
    assert f"'{name}': the certificate's CN is no MAC" in servers.mosquitto.log.read_text()


class Registered:
    """A gateway whose certificate was issued and recorded by the commands."""

    def __init__(self, servers: Any, folder: Path) -> None:
        self.servers = servers
        self.folder = folder

    def issue(self, mac: str = MAC) -> Path:
        run("issue", mac, "--folder", str(self.folder))
        return self.folder / mac


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("ca", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def registered(
    servers: Any, environ: dict[str, str], connection: Connection, fleet: None, tmp_path: Path
) -> Iterator[Registered]:
    yield Registered(servers, tmp_path / "issued")
    connection.execute("DELETE FROM certificate")
    connection.commit()
    run("crl")  # nobody is revoked any more: other tests use the same MAC
    time.sleep(2)


def test_it_cuts_the_connection_of_a_revoked_gateway_within_a_minute_and_refuses_it_from_then_on(
    servers, registered, count
):
    pair = registered.issue()
    other = registered.issue(
        Gateway.objects.exclude(mac=MAC).filter(is_active=True).earliest("id").mac
    )
    answer, client = open_gateway(servers, pair)
    assert answer == "Success"
    assert publish(client, TOPIC) in PUBLISHED
    _, neighbour = open_gateway(servers, other)
    before = count(f"denied_certificate/{MAC}")

    run("revoke", MAC, "--reason", "key_compromise")
    began = time.monotonic()
    wait_until(
        lambda: count(f"denied_certificate/{MAC}") > before,
        timeout_s=LONGEST_CUT_S,
        what="the broker has cut the connection",
    )
    took_s = time.monotonic() - began
    client.loop_stop()

    assert took_s < LONGEST_CUT_S
    assert try_gateway(servers, pair) == "Not authorized"
    assert count(f"denied_certificate/{MAC}") >= before + 2
    assert neighbour.is_connected()
    neighbour.disconnect()
    neighbour.loop_stop()
    said = f"user '{MAC}', client id '{MAC}', address 127.0.0.1: 'connected': the certificate is"
    assert said in servers.mosquitto.log.read_text()


def test_it_lets_nobody_with_a_revoked_certificate_end_the_connection_of_the_gateway_itself(
    servers, registered, wallet
):
    """The gateway has another certificate by now; both have the same name."""
    stolen = registered.issue()
    run("revoke", MAC)
    wait_until(
        lambda: try_gateway(servers, stolen) == "Not authorized",
        timeout_s=LONGEST_CUT_S,
        what="the broker has the list",
    )
    answer, gateway = open_gateway(servers, wallet.make(MAC))
    assert answer == "Success"
    assert {try_gateway(servers, stolen) for _ in range(20)} == {"Not authorized"}
    assert publish(gateway, TOPIC) in PUBLISHED
    gateway.disconnect()
    gateway.loop_stop()


def test_it_refuses_a_revoked_certificate_when_the_client_resumes_an_older_tls_session(
    servers, registered
):
    """Who resumes a session proves nothing anew: in the handshake no list is looked at."""
    pair = registered.issue()
    context = ssl.create_default_context(
        cafile=str(Path(servers.environ["MQTT_TLS_FOLDER"]) / "ca.crt")
    )
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where the session is there at once
    context.load_cert_chain(pair.with_suffix(".crt"), pair.with_suffix(".key"))
    session, answer, _ = say_connect(servers, context)
    assert answer == bytes.fromhex("20 02 00 00")

    run("revoke", MAC)
    wait_until(
        lambda: try_gateway(servers, pair) == "Not authorized",
        timeout_s=LONGEST_CUT_S,
        what="the broker has the list",
    )
    _, answer, is_resumed = say_connect(servers, context, session)
    assert is_resumed
    assert answer == bytes.fromhex("20 02 00 05")  # CONNACK of MQTT 3.1.1: not authorized


def say_connect(
    servers: Any, context: ssl.SSLContext, session: Any = None
) -> tuple[Any, bytes, bool | None]:
    """The TLS session, the answer to CONNECT, and whether an older session was resumed."""
    address = (servers.environ["MQTT_HOST"], int(servers.environ["MQTT_TLS_PORT"]))
    with (
        socket.create_connection(address, timeout=10) as link,
        context.wrap_socket(link, server_hostname=address[0], session=session) as encrypted,
    ):
        encrypted.sendall(CONNECT)
        return encrypted.session, encrypted.recv(100), encrypted.session_reused


def test_it_keeps_the_list_when_its_file_is_broken(servers, registered):
    pair = registered.issue()
    run("revoke", MAC)
    path = Path(os.environ["CA_CRL_FILE"])
    wait_until(
        lambda: try_gateway(servers, pair) == "Not authorized",
        timeout_s=LONGEST_CUT_S,
        what="the broker has the list",
    )
    write_file(path, b"-----BEGIN NOTHING-----\n")
    wait_until(
        lambda: "expected a list of revoked certificates" in servers.mosquitto.log.read_text(),
        timeout_s=LONGEST_CUT_S,
        what="the broker has looked at the file",
    )
    assert try_gateway(servers, pair) == "Not authorized"


def test_it_still_knows_the_list_after_a_restart(servers, registered):
    pair = registered.issue()
    run("revoke", MAC)
    servers.mosquitto.restart()
    assert try_gateway(servers, pair) == "Not authorized"


def read_result() -> Any:
    """Of the last run of the task, as `pipeline_status` reads it."""
    return TaskRun.objects.get(name=CHECK_CERTIFICATES_TASK).result


def test_it_writes_the_list_by_a_task_when_the_process_that_revoked_could_not(
    servers, registered, monkeypatch
):
    from workers.maintenance import check_certificates

    pair = registered.issue()
    with monkeypatch.context() as patch:
        patch.delenv("CA_PASSPHRASE")
        run("revoke", MAC)
    assert try_gateway(servers, pair) == "Success"

    check_certificates()
    assert read_result() == {"changed": 1, "signed": 0, "written": 1, "problems": []}
    check_certificates()
    assert read_result()["written"] == 0
    wait_until(
        lambda: try_gateway(servers, pair) == "Not authorized",
        timeout_s=LONGEST_CUT_S,
        what="the broker has the list",
    )


def test_it_reports_certificates_that_end_soon(registered, connection):
    from workers.maintenance import check_certificates

    registered.issue()
    run("crl")
    soon = datetime.now(UTC) + timedelta(days=20)
    connection.execute("UPDATE certificate SET not_after = %s", [soon])
    connection.commit()
    check_certificates()
    assert read_result()["problems"] == [
        f"the certificate of 1 gateway ends soon ({MAC}): issue another"
    ]


def test_it_counts_handshakes_from_the_start_of_the_broker_on(servers, wallet, count):
    name = "failed_handshake/peer did not return a certificate"
    try_gateway(servers, None)
    wait_until(lambda: count(name) > 0, timeout_s=10, what="the broker counted it")
    servers.mosquitto.restart()
    time.sleep(2)  # it looks at its log every second
    assert count(name) == 0
