"""The CA's files: what is made, what is readable by whom, what is never replaced."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from config.env import SettingError, read_options
from config.options import CertificateOptions
from telemetry.certificates.__main__ import main
from telemetry.certificates.authority import (
    BUNDLE,
    LOTS,
    Authority,
    create_authority,
    open_authority,
    renew_authority,
)
from telemetry.certificates.errors import AuthorityError
from telemetry.certificates.x509 import make_key, sign_client, sign_crl
from tests.certificates import PASSPHRASE, ROOT_PASSPHRASE

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MAC = "aa:bb:cc:dd:ee:ff"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "ca"
    made = Authority(folder, PASSPHRASE, folder / "crl.pem")
    create(made)
    return made


def create(authority: Authority, *, root_passphrase: str = ROOT_PASSPHRASE) -> None:
    create_authority(
        authority,
        root_folder=authority.folder.parent / "root",
        root_passphrase=root_passphrase,
        now=NOW,
    )


def test_it_writes_every_key_encrypted_and_for_its_owner_only(authority: Authority) -> None:
    keys = list(authority.folder.parent.rglob("*.key"))
    assert {path.name for path in keys} == {"root.key", "intermediate.key", "lots.key"}
    for path in keys:
        assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        with pytest.raises(TypeError, match="encrypted"):
            load_pem_private_key(path.read_bytes(), None)


def test_it_needs_the_root_no_more_when_that_is_offline(authority: Authority) -> None:
    root_folder = authority.folder.parent / "root"
    for path in root_folder.iterdir():
        path.unlink()
    root_folder.rmdir()
    signed = sign_client(MAC, make_key().public_key(), authority.read_signer(), days=1, now=NOW)
    certificates = x509.load_pem_x509_certificates((authority.folder / BUNDLE).read_bytes())
    chain = [signed, *certificates]
    for certificate, issuer in zip(chain, [*chain[1:], chain[-1]], strict=True):
        certificate.verify_directly_issued_by(issuer)


def test_it_signs_bootstrap_certificates_with_a_ca_that_the_broker_does_not_know(
    authority: Authority,
) -> None:
    lots = authority.read_certificate(LOTS)
    for known in x509.load_pem_x509_certificates((authority.folder / BUNDLE).read_bytes()):
        assert known.public_key() != lots.public_key()
        with pytest.raises(ValueError, match="does not match"):
            lots.verify_directly_issued_by(known)


def test_it_never_replaces_a_ca(authority: Authority) -> None:
    before = (authority.folder / "intermediate.key").read_bytes()
    with pytest.raises(AuthorityError, match="there is a CA already"):
        create(authority)
    assert (authority.folder / "intermediate.key").read_bytes() == before


def test_it_keeps_key_and_name_when_it_is_renewed(authority: Authority) -> None:
    before = authority.read_certificate("intermediate")
    renew_authority(
        authority,
        root_folder=authority.folder.parent / "root",
        root_passphrase=ROOT_PASSPHRASE,
        now=NOW + timedelta(days=3_000),
    )
    after = authority.read_certificate("intermediate")
    assert after.not_valid_after_utc == before.not_valid_after_utc + timedelta(days=3_000)
    assert (after.public_key(), after.subject) == (before.public_key(), before.subject)


@pytest.mark.parametrize(
    ("passphrase", "reason"),
    [("", "CA_PASSPHRASE is not set"), ("a wrong passphrase", "CA_PASSPHRASE=.hidden.: the key")],
)
def test_it_signs_nothing_without_the_passphrase(
    authority: Authority, passphrase: str, reason: str
) -> None:
    locked = Authority(authority.folder, passphrase, authority.crl_file)
    assert locked.read_certificate("intermediate")
    with pytest.raises(AuthorityError, match=reason) as caught:
        locked.read_signer()
    assert passphrase not in str(caught.value) or not passphrase


def test_it_makes_no_ca_without_a_passphrase_of_the_root(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", PASSPHRASE, tmp_path / "crl.pem")
    with pytest.raises(AuthorityError, match="CA_ROOT_PASSPHRASE is not set"):
        create(authority, root_passphrase="")
    assert not authority.folder.exists()


def test_it_issues_nothing_that_outlives_the_ca(authority: Authority) -> None:
    with pytest.raises(AuthorityError, match=r"run manage\.py ca renew"):
        sign_client(
            MAC,
            make_key().public_key(),
            authority.read_signer(),
            days=365,
            now=NOW + timedelta(days=3_600),
        )


def test_it_says_in_a_certificate_only_who_the_client_is(authority: Authority) -> None:
    signed = sign_client(MAC, make_key().public_key(), authority.read_signer(), days=30, now=NOW)
    assert signed.subject.rfc4514_string() == f"CN={MAC}"
    assert signed.not_valid_after_utc == NOW + timedelta(days=30)
    usage = signed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not signed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_it_lists_what_was_revoked_and_signs_the_list(authority: Authority) -> None:
    signer = authority.read_signer()
    crl = sign_crl([(2**150 + 1, NOW), (7, NOW)], signer, now=NOW)
    assert {entry.serial_number for entry in crl} == {2**150 + 1, 7}
    assert crl.is_signature_valid(signer[1].public_key())
    assert crl.next_update_utc == NOW + timedelta(days=7)


def test_it_names_the_setting_when_there_is_no_ca(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="CA_FOLDER is not set"):
        open_authority(read_options(CertificateOptions, {}))
    options = read_options(CertificateOptions, {"CA_FOLDER": str(tmp_path)})
    with pytest.raises(AuthorityError, match=r"intermediate\.crt cannot be read"):
        open_authority(options).read_bundle()


def test_it_takes_no_short_passphrase() -> None:
    with pytest.raises(SettingError, match=r"CA_PASSPHRASE=\(hidden\): expected 16 characters"):
        read_options(CertificateOptions, {"CA_PASSPHRASE": "short"})


def test_it_makes_the_ca_at_the_first_start_and_then_needs_no_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CA_FOLDER", str(tmp_path / "ca"))
    monkeypatch.setenv("CA_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("CA_ROOT_PASSPHRASE", ROOT_PASSPHRASE)
    public = tmp_path / "public"
    public.mkdir()
    assert main(str(tmp_path / "root"), str(public)) == 0
    before = (tmp_path / "ca" / "intermediate.key").read_bytes()

    # The root is offline, with its passphrase.
    monkeypatch.setenv("CA_ROOT_PASSPHRASE_FILE", str(tmp_path / "root" / "passphrase"))
    monkeypatch.delenv("CA_ROOT_PASSPHRASE")
    (tmp_path / "root").rename(tmp_path / "offline")
    assert main(str(tmp_path / "root"), str(public)) == 0
    assert (tmp_path / "ca" / "intermediate.key").read_bytes() == before
    assert {path.name for path in public.iterdir()} == {
        *("intermediate.crt", "lots.crt", "gateways-ca.crt", "enrolment-ca.crt"),
    }


def test_it_says_in_a_line_why_it_made_no_ca(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CA_FOLDER", str(tmp_path / "ca"))
    monkeypatch.delenv("CA_PASSPHRASE", raising=False)
    assert main(str(tmp_path / "root")) == 2
    assert capsys.readouterr().err.startswith("error: CA_PASSPHRASE is not set: expected")
