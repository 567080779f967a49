"""Keys and signing requests, right and wrong, as gateways may make them; a CA for tests."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)
from cryptography.x509.oid import NameOID

from config.env import read_options
from config.options import CertificateOptions
from telemetry.certificates.authority import INTERMEDIATE, NAMES, open_authority, write_file
from telemetry.certificates.x509 import Signer, format_serial, make_key, make_root, sign_client

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
        crl = str(self.folder / "crl.pem")
        return {"CA_FOLDER": str(self.folder), "CA_PASSPHRASE": PASSPHRASE, "CA_CRL_FILE": crl}


class Wallet:
    """Certificates of the stack's CA in a folder, as gateways hold them: right, and wrong."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self.folder = folder
        self._authority = open_authority(read_options(CertificateOptions, environ))

    def make(
        self,
        common_name: str,
        *,
        days: int = 30,
        age: timedelta = timedelta(0),
        signer: Signer | None = None,
    ) -> Path:
        """A certificate that was issued `age` ago; its path without .crt and .key. Nobody recorded
        it."""
        key = make_key()
        now = datetime.now(UTC) - age
        signed = sign_client(
            common_name,
            key.public_key(),
            signer or self._authority.read_signer(),
            days=days,
            now=now,
        )
        return self.keep(signed, key)

    def make_self_signed(self, common_name: str) -> Path:
        """A certificate that nobody else signed."""
        key = make_key()
        signed = make_root(common_name, key, days=30, path_length=0, now=datetime.now(UTC))
        return self.keep(signed, key)

    def keep(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Path:
        """Write a pair; its path without .crt and .key."""
        pair = self.folder / format_serial(certificate.serial_number)
        write_file(pair.with_suffix(".crt"), certificate.public_bytes(Encoding.PEM))
        write_file(
            pair.with_suffix(".key"),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            mode=0o600,
        )
        return pair


def make_other_authority() -> Signer:
    """A CA with the same names as ours."""
    key = make_key()
    name = NAMES[INTERMEDIATE]
    return make_root(name, key, days=60, path_length=0, now=datetime.now(UTC)), key


class EstClient:
    """A gateway that speaks RFC 7030."""

    def __init__(self, address: tuple[str, int], *, ca: Path, pair: Path | None) -> None:
        self.address = address
        self.context = ssl.create_default_context(cafile=ca)
        if pair is not None:
            self.context.load_cert_chain(pair.with_suffix(".crt"), pair.with_suffix(".key"))

    def ask(
        self, operation: str, request: bytes | None = None, query: str = ""
    ) -> tuple[int, str, Mapping[str, str]]:
        """Status, body and header of a response."""
        host, port = self.address
        connection = HTTPSConnection(host, port, context=self.context, timeout=30)
        body = request
        if request is not None and request.startswith(b"-----"):  # as DER, RFC 7030 wants it
            der = x509.load_pem_x509_csr(request).public_bytes(Encoding.DER)
            body = base64.encodebytes(der)
        try:
            path = f"/.well-known/est/{operation}{query}"
            connection.request("POST" if body is not None else "GET", path, body)
            response = connection.getresponse()
            return response.status, response.read().decode(), dict(response.headers)
        finally:
            connection.close()


def read_certificates(body: str) -> list[x509.Certificate]:
    """Certificates of a response of `EstClient`."""
    return pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
