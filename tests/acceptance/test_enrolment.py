"""From the first boot of a gateway to its first stored reading, and to the day it is stolen."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from telemetry.certificates.x509 import make_key
from tests import forks
from tests.acceptance.conftest import Pipeline, fetch
from tests.acceptance.processes import wait_until
from tests.acceptance.test_admin import PASSWORD, open_admin
from tests.certificates import EstClient, Wallet, make_request, read_certificates
from tests.integration.local.test_tls import connect, publish
from tests.messages import make_payload
from tests.servers.enrolment import run_enrolment

pytestmark = pytest.mark.acceptance

MAC = "02:00:00:00:00:77"
TOPIC = f"tds_new/devices/{MAC}/telemetry"


@pytest.fixture
def lot(pipeline: Pipeline, tmp_path: Path) -> Path:
    """The certificate that the factory gave to all gateways of a lot, and its key."""
    command = ("manage.py", "ca", "lot", "2026-11", "--folder", str(tmp_path))
    done = forks.run(command, pipeline.environ)
    assert done.returncode == 0, done.stderr
    return tmp_path / "lot-2026-11"


@pytest.fixture
def page(web: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A browser that is logged in."""
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)
    with open_admin(web) as opened:
        yield opened


def test_it_takes_a_gateway_from_its_first_boot_to_its_first_stored_reading_and_ends_it_when_stolen(
    pipeline: Pipeline, lot: Path, page: Page, tmp_path: Path
) -> None:
    ca = Path(pipeline.environ["MQTT_TLS_FOLDER"]) / "ca.crt"
    began = time.monotonic()
    with run_enrolment(pipeline.environ, tmp_path / "enrolment.log") as address:
        gateway = EstClient(address, ca=ca, pair=lot)
        key = make_key()
        request = make_request(MAC, key, serial_number="SN-77")

        def ask() -> tuple[int, str]:
            status, body, _ = gateway.ask("simpleenroll", request, "?model=TG-8&firmware=1.0")
            return status, body

        assert ask()[0] == 202

        # An administrator finds it, gives it to an account, and registers its meter.
        page.goto("/admin/telemetry/enrolment/")
        page.get_by_role("link", name=MAC).click()
        expect(page.get_by_text("SN-77")).to_be_visible()
        page.get_by_label("Account").select_option(label="Conta Teste Telemetria")
        page.get_by_label("Code").fill("GW-77")
        page.get_by_role("button", name="Allocate and approve").click()
        expect(page.get_by_text("Approved. A maintenance worker signs it")).to_be_visible()
        page.goto("/admin/telemetry/device/add/")
        page.locator(".field-gateway .select2-selection").click()
        page.locator(".select2-search__field").fill("GW-77")
        page.locator(".select2-results__option", has_text="GW-77").first.click()
        page.get_by_label("Code").first.fill("D01")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("was added successfully")).to_be_visible()

        wait_until(lambda: ask()[0] == 200, timeout_s=30, what="the certificate", every_s=2)
        [certificate] = read_certificates(ask()[1])

    # From now on it speaks with the broker, in its own name.
    pair = Wallet(pipeline.environ, tmp_path).keep(certificate, key)
    answer, client = connect(pipeline.environ, "MQTT_TLS_PORT", ca=ca, pair=pair)
    assert answer == "Success"
    now = datetime.now(UTC).isoformat()
    assert publish(client, TOPIC, make_payload(mac=MAC, valor=77.7, at=now)) == "Success"
    assert pipeline.wait_for_received(1).rows == 1
    assert fetch(pipeline.connection, "SELECT value FROM reading") == [(Decimal("77.7"),)]
    assert time.monotonic() - began < 120

    # It is stolen. Its connection ends, and it comes in no more.
    page.goto("/admin/telemetry/certificate/")
    page.locator("#result_list tbody input.action-select").check()
    page.get_by_label("Select action to run").select_option(label="Revoke selected certificates")
    page.get_by_role("button", name="Run").click()
    page.get_by_label("Reason").select_option(label="key compromised")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("1 certificate revoked.")).to_be_visible()
    revoked = time.monotonic()

    def is_refused() -> bool:
        answer, other = connect(pipeline.environ, "MQTT_TLS_PORT", ca=ca, pair=pair)
        other.disconnect()
        other.loop_stop()
        return answer == "Not authorized"

    wait_until(is_refused, timeout_s=60, what="the broker refuses it", every_s=0.5)
    assert time.monotonic() - revoked < 60
    client.loop_stop()
    page.reload()
    expect(page.locator("#result_list")).to_contain_text("key compromised")


def test_it_lets_an_administrator_bring_a_request_and_download_a_key_once(
    pipeline: Pipeline, page: Page
) -> None:
    page.goto("/admin/telemetry/certificate/")
    page.get_by_role("link", name="Sign a request").click()
    page.get_by_label("Signing request").fill(make_request(MAC).decode())
    page.get_by_role("button", name="Sign").click()
    expect(page.get_by_text(f"there is no gateway {MAC}")).to_be_visible()
    page.get_by_label("Signing request").fill(make_request("aa:bb:cc:dd:ee:ff").decode())
    page.get_by_role("button", name="Sign").click()
    expect(page.get_by_text("Approved. A maintenance worker signs it.")).to_be_visible()
    wait_until(
        lambda: fetch(pipeline.connection, "SELECT count(*) FROM certificate") == [(1,)],
        timeout_s=30,
        what="it is signed",
    )
    page.goto("/admin/telemetry/certificate/")
    page.get_by_role("link", name="aa:bb:cc:dd:ee:ff").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text().count("BEGIN CERTIFICATE") == 3

    page.goto("/admin/telemetry/certificate/")
    page.get_by_role("link", name="Make key and certificate").click()
    page.get_by_label("MAC").fill("AA-BB-CC-DD-EE-FF")
    with page.expect_download() as download:
        page.get_by_role("button", name="Make and download").click()
    assert download.value.suggested_filename == "aabbccddeeff.zip"
    assert download.value.path().read_bytes().startswith(b"PK")
    rows = fetch(pipeline.connection, "SELECT pem, csr FROM enrolment JOIN certificate c "
        "ON c.id = certificate_id")  # fmt: skip
    assert len(rows) == 2
    assert not any("PRIVATE" in text for row in rows for text in row)
