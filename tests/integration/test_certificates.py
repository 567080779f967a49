"""The CA's commands on a real database: issue, revoke, list, and what is rejected."""

import json
import zipfile
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.management import CommandError, call_command

from telemetry.certificates.revocation import update_crl
from telemetry.models import Certificate, Gateway
from telemetry.store.db.connection import Connection
from tests.certificates import PASSPHRASE, ROOT_PASSPHRASE, AuthorityFiles, make_request

# Commands, and the pool that signs, have other roles than pages.
pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("as_owner")]

MAC = "aa:bb:cc:dd:ee:ff"


def call(*arguments: str) -> str:
    """What `manage.py ca` prints."""
    output = StringIO()
    call_command("ca", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def authority(
    environ: dict[str, str],
    connection: Connection,
    fleet: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AuthorityFiles:
    """A CA made by the command, its root offline."""
    files = AuthorityFiles(tmp_path / "ca", tmp_path / "root")
    for name, value in files.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CA_ROOT_PASSPHRASE", ROOT_PASSPHRASE)
    call("init", "--root-folder", str(files.root_folder))
    monkeypatch.delenv("CA_ROOT_PASSPHRASE")
    files.root_folder.rename(tmp_path / "offline")
    return files


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def read_crl(authority: AuthorityFiles) -> set[int]:
    crl = x509.load_pem_x509_crl((authority.folder / "crl.pem").read_bytes())
    return {entry.serial_number for entry in crl}


def test_it_signs_the_request_of_a_registered_gateway_and_remembers_it(
    authority: AuthorityFiles, tmp_path: Path
) -> None:
    request = make_request(MAC.upper())
    printed = call("sign", write(tmp_path / "gateway.csr", request))

    certificate, issuer, _root = x509.load_pem_x509_certificates(printed.encode())
    certificate.verify_directly_issued_by(issuer)
    assert certificate.public_key() == x509.load_pem_x509_csr(request).public_key()
    row = Certificate.objects.get()
    assert row.gateway.mac == MAC
    assert int(row.serial, 16) == certificate.serial_number
    assert row.not_after == certificate.not_valid_after_utc
    assert row.get_state(now=datetime.now(UTC)) == "valid"


@pytest.mark.parametrize(
    ("common_name", "reason"),
    [
        ("02:00:00:00:00:99", "there is no gateway 02:00:00:00:00:99: expected"),
        ("nobody", "its CN is 'nobody': expected"),
    ],
)
def test_it_signs_no_request_of_somebody_else(
    authority: AuthorityFiles, tmp_path: Path, common_name: str, reason: str
) -> None:
    with pytest.raises(CommandError, match=reason) as caught:
        call("sign", write(tmp_path / "gateway.csr", make_request(common_name)))
    assert caught.value.returncode == 2
    assert not Certificate.objects.exists()


def test_it_signs_no_request_of_a_gateway_that_is_not_active(
    authority: AuthorityFiles, tmp_path: Path
) -> None:
    Gateway.objects.filter(mac=MAC).update(is_active=False)
    with pytest.raises(CommandError, match="is not active: activate it first"):
        call("sign", write(tmp_path / "gateway.csr", make_request(MAC)))


def test_it_makes_an_archive_whose_key_is_kept_nowhere_else(
    authority: AuthorityFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CA_BROKER_CA_FILE", write(tmp_path / "broker-ca.crt", b"the broker's CA"))
    archive = tmp_path / "gateway.zip"
    call("issue", MAC, "--zip", str(archive))

    assert archive.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(archive) as files:
        key = load_pem_private_key(files.read("gateway.key"), None)
        certificate, *_chain = x509.load_pem_x509_certificates(files.read("gateway.crt"))
        assert files.read("broker-ca.crt") == b"the broker's CA"
    assert certificate.public_key() == key.public_key()
    assert "PRIVATE" not in Certificate.objects.get().pem
    assert not list(authority.folder.rglob(f"{MAC}*"))


def test_it_issues_into_a_folder_until_there_is_a_valid_certificate(
    authority: AuthorityFiles, tmp_path: Path
) -> None:
    call("issue", MAC, "--folder", str(tmp_path / "tls"))
    assert "is there already" in call("issue", MAC, "--folder", str(tmp_path / "tls"))
    assert Certificate.objects.count() == 1
    call("revoke", MAC)
    call("issue", MAC, "--folder", str(tmp_path / "tls"))
    assert Certificate.objects.count() == 2
    (tmp_path / "tls" / f"{MAC}.crt").write_text("nothing")
    call("issue", MAC, "--folder", str(tmp_path / "tls"))
    assert Certificate.objects.count() == 3


def test_it_lists_what_was_revoked_by_serial_or_by_gateway(
    authority: AuthorityFiles, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    request = write(tmp_path / "gateway.csr", make_request(MAC))
    for _ in range(3):
        call("sign", request)
    first, *others = Certificate.objects.order_by("id")

    call("revoke", first.serial.lstrip("0").upper(), "--reason", "key_compromise")
    assert read_crl(authority) == {int(first.serial, 16)}
    call("revoke", MAC)
    assert read_crl(authority) == {int(row.serial, 16) for row in (first, *others)}

    first.refresh_from_db()
    assert (first.reason, first.get_state(now=datetime.now(UTC))) == ("key_compromise", "revoked")
    with pytest.raises(CommandError, match="expected the serial of a certificate that is not"):
        call("revoke", MAC)


def test_it_leaves_the_list_to_a_process_that_can_sign(
    authority: AuthorityFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("sign", write(tmp_path / "gateway.csr", make_request(MAC)))
    call("crl")
    monkeypatch.delenv("CA_PASSPHRASE")
    call("revoke", MAC)
    assert read_crl(authority) == set()
    with pytest.raises(CommandError, match="CA_PASSPHRASE is not set, so this process cannot sign"):
        call("crl")

    monkeypatch.setenv("CA_PASSPHRASE", PASSPHRASE)
    now = datetime.now(UTC)
    assert update_crl(now=now)
    assert len(read_crl(authority)) == 1
    assert not update_crl(now=now)
    assert update_crl(now=now + timedelta(days=1, seconds=1))


def test_it_drops_from_the_list_what_has_ended_anyway(
    authority: AuthorityFiles, tmp_path: Path
) -> None:
    call("sign", write(tmp_path / "gateway.csr", make_request(MAC)))
    call("revoke", MAC)
    Certificate.objects.update(not_after=datetime.now(UTC))
    call("crl")
    assert read_crl(authority) == set()


def test_it_leaves_revoked_what_the_database_no_longer_knows(
    authority: AuthorityFiles, tmp_path: Path
) -> None:
    """As after the restore of a backup that is older than the revocation."""
    request = write(tmp_path / "gateway.csr", make_request(MAC))
    call("sign", request)
    call("sign", request)
    call("revoke", MAC)
    forgotten, reverted = Certificate.objects.all()
    serials = {int(forgotten.serial, 16), int(reverted.serial, 16)}
    forgotten.delete()
    Certificate.objects.update(revoked_at=None)
    call("crl")
    assert read_crl(authority) == serials


def test_it_tells_what_needs_an_operator_and_exits_with_1(
    authority: AuthorityFiles, tmp_path: Path
) -> None:
    request = write(tmp_path / "gateway.csr", make_request(MAC))
    call("crl")
    call("sign", request)
    said = call("status")
    assert "problem" not in said
    assert "revocation list: 20" in said  # it has a time, although nothing is in it

    now = datetime.now(UTC)
    Certificate.objects.update(not_after=now + timedelta(days=29))
    output = StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("ca", "status", "--json", stdout=output)
    status = json.loads(output.getvalue())
    assert (status["valid"], status["ending"], status["ended"]) == (1, 1, 0)
    [problem] = status["problems"]
    assert problem == f"the certificate of 1 gateway ends soon ({MAC}): issue another"

    Certificate.objects.update(not_after=now)
    output = StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("ca", "status", stdout=output)
    assert f"1 gateway has ended ({MAC}): issue another" in output.getvalue()

    call("sign", request)
    assert "gateways whose certificate has ended: 0" in call("status")
