"""Keys and signing requests, right and wrong, as gateways may make them; a CA for tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

PASSPHRASE = "a passphrase of the tests"
ROOT_PASSPHRASE = "another one, kept offline"


def make_request(
    common_name: str,
    key: Any = None,
    *,
    algorithm: Any = None,
    serial_number: str = "",
    names: tuple[str, ...] = (),
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> bytes:
    """A signing request as PEM. Without a key it gets one that is accepted."""
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in (common_name, *names)]
    if serial_number:
        parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial_number))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    key = key or ec.generate_private_key(ec.SECP256R1())
    chosen = hashes.SHA256() if algorithm is None else algorithm
    return builder.sign(key, chosen or None).public_bytes(Encoding.PEM)


@dataclass(frozen=True)
class AuthorityFiles:
    """The folders of a CA, and the environment of processes that use it."""

    folder: Path
    root_folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """As the product reads it, without the root's passphrase."""
        return {"CA_FOLDER": str(self.folder), "CA_PASSPHRASE": PASSPHRASE}
