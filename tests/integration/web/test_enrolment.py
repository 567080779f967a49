"""Enrolment by a lot's certificate, and renewal, over the real process with TLS."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from django.core.management import call_command

from telemetry.certificates import enrolment as enrolments
from telemetry.certificates.errors import RequestError
from telemetry.certificates.status import update_and_check
from telemetry.certificates.x509 import make_key
from telemetry.models import Account, Certificate, Enrolment, Gateway, Lot
from telemetry.store.db.connection import Connection
from tests.certificates import EstClient, Wallet, make_request, read_certificates
from tests.integration.local.test_tls import connect
from tests.servers.enrolment import run_enrolment

# Commands, and the pool that signs, have other roles than pages.
pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("as_owner")]

MAC = "02:00:00:00:00:51"
KNOWN = "aa:bb:cc:dd:ee:ff"


@pytest.fixture(scope="module")
def address(
    stack_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """The enrolment process; it has no key of the CA."""
    with run_enrolment(stack_environ, tmp_path_factory.mktemp("enrolment") / "log") as address:
        yield address


@pytest.fixture
def lot(
    environ: dict[str, str], connection: Connection, fleet: None, queue: Any, tmp_path: Path
) -> Lot:
    call_command("ca", "lot", "2026-11", "--folder", str(tmp_path), "--gateways", "3", verbosity=0)
    return Lot.objects.get()


@pytest.fixture
def ask(address: tuple[str, int], servers: Any, lot: Lot, tmp_path: Path) -> Any:
    """Asks as a gateway of the lot does, or with another certificate."""

    def ask(operation: str, request: bytes | None = None, query: str = "", pair: Any = None) -> Any:
        ca = Path(servers.environ["MQTT_TLS_FOLDER"]) / "ca.crt"
        shown = pair or tmp_path / f"lot-{lot.name}"
        return EstClient(address, ca=ca, pair=shown).ask(operation, request, query)

    return ask


@pytest.fixture
def wallet(servers: Any, tmp_path: Path) -> Wallet:
    return Wallet(servers.environ, tmp_path)


def sign() -> int:
    """What the task of the maintenance pool does."""
    update = update_and_check(now=datetime.now(UTC))
    assert update.problems == []
    return update.signed


def allocate(mac: str = MAC) -> None:
    enrolments.allocate(
        Enrolment.objects.get(mac=mac, state="pending"),
        account=Account.objects.earliest("id"),
        code="GW-NEW",
        by=None,
        now=datetime.now(UTC),
    )


def test_it_keeps_a_request_until_somebody_allocates_the_gateway_and_then_gives_the_certificate(
    servers, ask, wallet
):
    key = make_key()
    request = make_request(MAC.upper(), key, serial_number="SN-7")
    query = "?model=TG-8&firmware=1.2.3"

    status, _, headers = ask("simpleenroll", request, query)
    assert (status, headers["Retry-After"]) == (202, "60")
    found = Enrolment.objects.get()
    assert (found.mac, found.state, found.lot.name) == (MAC, "pending", "2026-11")
    assert (found.serial_number, found.model, found.firmware_version, found.address) == (
        *("SN-7", "TG-8", "1.2.3", "127.0.0.1"),
    )
    assert sign() == 0
    assert not Gateway.objects.filter(mac=MAC).exists()

    allocate()
    assert ask("simpleenroll", request)[2]["Retry-After"] == "2"
    assert sign() == 1
    status, body, headers = ask("simpleenroll", request)
    assert status == 200
    assert headers["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only"
    [certificate] = read_certificates(body)
    assert certificate.public_key() == key.public_key()
    ca = Path(servers.environ["MQTT_TLS_FOLDER"]) / "ca.crt"
    answer, client = connect(
        servers.environ, "MQTT_TLS_PORT", ca=ca, pair=wallet.keep(certificate, key)
    )
    client.disconnect()
    client.loop_stop()
    assert answer == "Success"

    # Bootstrap is closed for this gateway.
    status, body, _ = ask("simpleenroll", make_request(MAC))
    assert (status, body) == (
        *(403, f"the gateway {MAC} has a certificate: expected a renewal with it\n"),
    )
    Certificate.objects.update(issued_at=datetime.now(UTC) - timedelta(days=8))
    assert ask("simpleenroll", request)[0] == 403


def test_it_gives_the_cas_that_a_gateway_needs(ask):
    status, body, _ = ask("cacerts")
    assert status == 200
    names = {each.subject.rfc4514_string() for each in read_certificates(body)}
    assert names == {
        *("CN=TDS Telemetry gateways", "CN=TDS Telemetry root", "CN=TDS Telemetry MQTT"),
    }


def test_it_opens_nothing_at_the_broker_with_the_certificate_of_a_lot(servers, lot, tmp_path):
    ca = Path(servers.environ["MQTT_TLS_FOLDER"]) / "ca.crt"
    for port in ("MQTT_TLS_PORT", "MQTT_SERVICE_PORT"):
        answer, client = connect(
            servers.environ, port, ca=ca, pair=tmp_path / f"lot-{lot.name}", role="bridge"
        )
        client.loop_stop()
        assert answer not in ("Success", "Not authorized"), port


def test_it_speaks_with_nobody_without_a_certificate_of_ours(address, servers, lot, wallet):
    ca = Path(servers.environ["MQTT_TLS_FOLDER"]) / "ca.crt"
    for pair in (None, wallet.make_self_signed(MAC)):
        with pytest.raises((ssl.SSLError, OSError)):
            EstClient(address, ca=ca, pair=pair).ask("cacerts")


def test_it_lets_an_administrator_choose_when_two_keys_ask_for_one_gateway(ask):
    first, second = make_request(MAC), make_request(MAC)
    assert ask("simpleenroll", first)[0] == 202
    assert ask("simpleenroll", second)[0] == 202
    wanted, other = Enrolment.objects.order_by("id")
    gateway = Gateway.objects.create(mac=MAC, code="GW-1", account=Account.objects.earliest("id"))
    enrolments.approve(wanted, gateway=gateway, by=None, now=datetime.now(UTC))
    assert ask("simpleenroll", first)[0] == 202
    status, body, _ = ask("simpleenroll", second)
    assert (status, body) == (403, "the request was rejected: another key was approved\n")
    with pytest.raises(RequestError, match="not pending any more"):
        enrolments.approve(other, gateway=gateway, by=None, now=datetime.now(UTC))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no base64!", "the body cannot be read: expected PKCS #10 in base64"),
        (b"AAAA", "it cannot be read: expected PKCS #10 as PEM or DER"),
        (make_request("gateway"), "its CN is 'gateway': expected one CN, the gateway's MAC"),
        (b"A" * 40_000, "the body has 40000 bytes: expected PKCS #10 in base64"),
    ],
)
def test_it_says_what_is_wrong_with_a_request(ask, body, reason):
    status, text, _ = ask("simpleenroll", body)
    assert status == 400
    assert text.startswith(reason)
    assert not Enrolment.objects.exists()


def test_it_takes_no_more_gateways_than_a_lot_has_and_none_when_it_is_closed(ask, lot):
    for number in range(3):
        assert ask("simpleenroll", make_request(f"02:00:00:00:01:0{number}"))[0] == 202
    status, text, _ = ask("simpleenroll", make_request(MAC))
    assert (status, text) == (403, "the lot 2026-11 is full: 3 gateways have asked\n")
    call_command("ca", "lot", lot.name, "--close", verbosity=0)
    status, text, _ = ask("simpleenroll", make_request("02:00:00:00:01:00"))
    assert status == 403
    assert text.startswith("the lot 2026-11 is closed")


def test_it_asks_a_gateway_to_wait_when_it_comes_too_often(ask):
    request = make_request(MAC)
    answers = [ask("simpleenroll", request) for _ in range(22)]  # two windows at most
    limited = [answer for answer in answers if answer[0] == 429]
    assert limited
    assert 1 <= int(limited[0][2]["Retry-After"]) <= 60


class TestRenewal:
    """With the gateway's own certificate."""

    @pytest.fixture
    def own(self, lot: Lot, tmp_path: Path) -> Path:
        """A certificate in the second half of its time."""
        call_command("ca", "issue", KNOWN, "--folder", str(tmp_path), verbosity=0)
        row = Certificate.objects.get()
        Certificate.objects.update(not_before=row.not_before - timedelta(days=400))
        return tmp_path / KNOWN

    def test_it_gives_another_certificate_without_an_administrator(self, ask, own):
        request = make_request(KNOWN)
        status, _, headers = ask("simplereenroll", request, pair=own)
        assert (status, headers["Retry-After"]) == (202, "2")
        assert sign() == 1
        status, body, _ = ask("simplereenroll", request, pair=own)
        assert status == 200
        [certificate] = read_certificates(body)
        assert certificate.public_key() == x509.load_pem_x509_csr(request).public_key()
        assert Certificate.objects.filter(gateway__mac=KNOWN).count() == 2

    @pytest.mark.parametrize(
        ("mac", "change", "reason"),
        [
            (MAC, {}, f"the request is for {MAC}: expected {KNOWN}"),
            (KNOWN, {"revoked_at": datetime.now(UTC)}, "the client's certificate 0"),
            (KNOWN, {"not_before": datetime.now(UTC)}, "the certificate can be renewed from"),
        ],
        ids=["another's name", "revoked", "too early"],
    )
    def test_it_renews_nothing_that_it_should_not(self, ask, own, mac, change, reason):
        Certificate.objects.update(**change)
        status, text, _ = ask("simplereenroll", make_request(mac), pair=own)
        assert status == 403
        assert text.startswith(reason.rstrip("0"))
        assert not Enrolment.objects.exists()

    def test_it_keeps_each_certificate_to_its_operation(self, ask, own):
        assert ask("simpleenroll", make_request(KNOWN), pair=own)[0] == 403
        assert ask("simplereenroll", make_request(KNOWN))[0] == 403
