"""The CA's files: made once, read when something is signed.

    CA_FOLDER/intermediate.crt, .key    signs gateways' certificates and the revocation list
    CA_FOLDER/lots.crt, .key            signs bootstrap certificates; the broker does not know it
    CA_FOLDER/gateways-ca.crt           intermediate and root: what the broker trusts
    CA_FOLDER/enrolment-ca.crt          the same and lots: what the enrolment process trusts
    CA_FOLDER/crl.pem                   revoked certificates of gateways
    root.crt, root.key                  in a folder of their own, which the operator takes offline

Keys are encrypted with a passphrase that is in neither folder nor in the database.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from config.options import CertificateOptions
from telemetry.certificates.errors import AuthorityError
from telemetry.certificates.x509 import Signer, make_key, make_root, sign_intermediate

ROOT, INTERMEDIATE, LOTS = "root", "intermediate", "lots"
BUNDLE = "gateways-ca.crt"
ENROLMENT_BUNDLE = "enrolment-ca.crt"
CRL = "crl.pem"
NAMES = {
    ROOT: "TDS Telemetry root",
    INTERMEDIATE: "TDS Telemetry gateways",
    LOTS: "TDS Telemetry lots",
}
ROOT_DAYS, INTERMEDIATE_DAYS = 7_300, 3_650


@dataclass(frozen=True)
class Authority:
    """The CA of one folder. Its certificates can be read without the passphrase."""

    folder: Path
    passphrase: str
    crl_file: Path

    def read_certificate(self, name: str) -> x509.Certificate:
        """The certificate of one of its CAs. Raises `AuthorityError`."""
        path = self.folder / f"{name}.crt"
        try:
            return x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            raise AuthorityError(
                f"CA_FOLDER={str(self.folder)!r}: {path.name} cannot be read ({error}): expected "
                "the folder of manage.py ca init"
            ) from error

    def read_signer(self, name: str = INTERMEDIATE) -> Signer:
        """One of its CAs with its key, to sign. Raises `AuthorityError`."""
        if not self.passphrase:
            raise AuthorityError(
                "CA_PASSPHRASE is not set, so this process cannot sign: set it, or sign with "
                "manage.py ca where it is set"
            )
        path = self.folder / f"{name}.key"
        return self.read_certificate(name), read_key(path, self.passphrase, "CA_PASSPHRASE")

    def read_bundle(self) -> bytes:
        """The certificates that the broker trusts, as PEM. Raises `AuthorityError`."""
        self.read_certificate(INTERMEDIATE)
        return (self.folder / BUNDLE).read_bytes()


def open_authority(options: CertificateOptions) -> Authority:
    """The CA that the settings name. Raises `AuthorityError` when they name none."""
    if not options.folder:
        raise AuthorityError(
            "CA_FOLDER is not set: expected the folder of the CA, made by manage.py ca init"
        )
    folder = Path(options.folder)
    return Authority(folder, options.passphrase, Path(options.crl_file or folder / CRL))


def exists(authority: Authority) -> bool:
    """Whether its folder has a CA that works."""
    return (authority.folder / f"{INTERMEDIATE}.key").exists()


def create_authority(
    authority: Authority, *, root_folder: Path, root_passphrase: str, now: datetime
) -> None:
    """Make the root in `root_folder`, unless it has one, and everything below it.

    Raises `AuthorityError`; a CA that exists is never replaced.
    """
    if exists(authority):
        raise AuthorityError(
            f"CA_FOLDER={str(authority.folder)!r}: there is a CA already: expected a folder "
            "without one; manage.py ca renew makes its certificate last longer"
        )
    require_passphrase("CA_PASSPHRASE", authority.passphrase)
    require_passphrase("CA_ROOT_PASSPHRASE", root_passphrase)
    if root_folder.resolve() == authority.folder.resolve():
        raise AuthorityError(
            f"--root-folder {str(root_folder)!r} is CA_FOLDER: expected another folder, which can "
            "be taken offline"
        )
    for folder in (root_folder, authority.folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (root_folder / f"{ROOT}.key").exists():
        key = make_key()
        root = make_root(NAMES[ROOT], key, days=ROOT_DAYS, path_length=1, now=now)
        write_pair(root_folder, ROOT, root, key, passphrase=root_passphrase)
    key = make_key()
    lots = make_root(NAMES[LOTS], key, days=INTERMEDIATE_DAYS, path_length=0, now=now)
    write_pair(authority.folder, LOTS, lots, key, passphrase=authority.passphrase)
    key = make_key()
    _certify(authority, key, root_folder=root_folder, root_passphrase=root_passphrase, now=now)


def renew_authority(
    authority: Authority, *, root_folder: Path, root_passphrase: str, now: datetime
) -> None:
    """Let the root sign the intermediate's key for another ten years. Raises `AuthorityError`.

    What it signed stays valid, because its key and its name stay.
    """
    _certificate, key = authority.read_signer()
    require_passphrase("CA_ROOT_PASSPHRASE", root_passphrase)
    _certify(authority, key, root_folder=root_folder, root_passphrase=root_passphrase, now=now)


def _certify(
    authority: Authority,
    key: ec.EllipticCurvePrivateKey,
    *,
    root_folder: Path,
    root_passphrase: str,
    now: datetime,
) -> None:
    offline = Authority(root_folder, root_passphrase, authority.crl_file)
    root_key = read_key(root_folder / f"{ROOT}.key", root_passphrase, "CA_ROOT_PASSPHRASE")
    root = offline.read_certificate(ROOT)
    name = NAMES[INTERMEDIATE]
    signed = sign_intermediate(name, key, (root, root_key), days=INTERMEDIATE_DAYS, now=now)
    bundle = signed.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)
    write_file(authority.folder / BUNDLE, bundle)
    lots = authority.read_certificate(LOTS).public_bytes(Encoding.PEM)
    write_file(authority.folder / ENROLMENT_BUNDLE, bundle + lots)
    write_pair(authority.folder, INTERMEDIATE, signed, key, passphrase=authority.passphrase)


def require_passphrase(name: str, passphrase: str) -> None:
    """Raise `AuthorityError` when a key would not be encrypted."""
    if not passphrase:
        raise AuthorityError(
            f"{name} is not set: expected a passphrase of the key; set {name} or {name}_FILE"
        )


def read_key(path: Path, passphrase: str, setting: str) -> ec.EllipticCurvePrivateKey:
    """An encrypted key. Raises `AuthorityError`, which names the passphrase's setting."""
    try:
        key = load_pem_private_key(path.read_bytes(), passphrase.encode())
    except OSError as error:
        raise AuthorityError(
            f"{path} cannot be read ({error.strerror}): expected the key of the CA; where it is "
            "offline, bring it here first"
        ) from error
    except (ValueError, TypeError) as error:
        raise AuthorityError(
            f"{setting}=(hidden): the key {path} cannot be opened with it: expected the passphrase "
            "that it was made with"
        ) from error
    assert isinstance(key, ec.EllipticCurvePrivateKey), path
    return key


def write_pair(
    folder: Path,
    name: str,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    *,
    passphrase: str,
) -> None:
    """A CA's certificate and its encrypted key; the key comes last: it says that all is there."""
    write_file(folder / f"{name}.crt", certificate.public_bytes(Encoding.PEM))
    encryption = BestAvailableEncryption(passphrase.encode())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    write_file(folder / f"{name}.key", text, mode=0o600)


def write_file(path: Path, text: bytes, *, mode: int = 0o644) -> None:
    """Replace a file in one step; it is on disk afterwards."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)  # the broker reads the list, whatever this process's umask is
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
