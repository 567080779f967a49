"""Issue certificates: check who asks, sign, and remember whose it is."""

import io
import zipfile
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from config.env import read_options
from config.options import CertificateOptions
from telemetry.certificates.authority import open_authority
from telemetry.certificates.errors import AuthorityError, RequestError
from telemetry.certificates.signing_request import SigningRequest
from telemetry.certificates.x509 import format_serial, make_key, sign_client
from telemetry.models import Certificate, Gateway, User

log = structlog.get_logger("telemetry.certificates")


def find_gateway(mac: str) -> Gateway:
    """The gateway that may have a certificate. Raises `RequestError`."""
    gateway = Gateway.objects.filter(mac=mac).first()
    if gateway is None:
        raise RequestError(f"there is no gateway {mac}: expected the MAC of a registered one")
    if not gateway.is_active:
        raise RequestError(f"the gateway {mac} is not active: activate it first")
    return gateway


def sign_request(
    request: SigningRequest, *, now: datetime, issued_by: User | None = None
) -> Certificate:
    """Issue a certificate for the key of a checked request. Raises `CertificateError`."""
    return _issue(find_gateway(request.mac), request.public_key, now=now, issued_by=issued_by)


def issue_with_key(
    gateway: Gateway, *, now: datetime, issued_by: User | None = None
) -> tuple[Certificate, ec.EllipticCurvePrivateKey]:
    """Issue a certificate and make its key, which is returned and kept nowhere.

    For gateways that cannot make a key themselves. Raises `CertificateError`.
    """
    key = make_key()
    gateway = find_gateway(gateway.mac)
    return _issue(gateway, key.public_key(), now=now, issued_by=issued_by), key


def _issue(
    gateway: Gateway,
    public_key: CertificatePublicKeyTypes,
    *,
    now: datetime,
    issued_by: User | None,
) -> Certificate:
    options = read_options(CertificateOptions)
    signer = open_authority(options).read_signer()
    signed = sign_client(gateway.mac, public_key, signer, days=options.valid_days, now=now)
    certificate = record_certificate(signed, gateway, issued_by=issued_by)
    log.info(
        "certificate_issued",
        gateway=gateway.mac,
        serial=certificate.serial,
        until=certificate.not_after.isoformat(),
        by=issued_by.get_username() if issued_by else None,
    )
    return certificate


def record_certificate(
    signed: x509.Certificate, gateway: Gateway, *, issued_by: User | None
) -> Certificate:
    """Remember a certificate that was just signed."""
    return Certificate.objects.create(
        serial=format_serial(signed.serial_number),
        gateway=gateway,
        common_name=gateway.mac,
        pem=signed.public_bytes(Encoding.PEM).decode(),
        issued_by=issued_by,
        not_before=signed.not_valid_before_utc,
        not_after=signed.not_valid_after_utc,
    )


def read_chain(certificate: Certificate) -> bytes:
    """The certificate, and the CA's above it, as PEM: what a gateway shows the broker."""
    return certificate.pem.encode() + open_authority(read_options(CertificateOptions)).read_bundle()


def encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A gateway's key as PEM, not encrypted: gateways have nobody who types a passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_archive(certificate: Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A ZIP with the key, the certificate, and the CA by which the gateway knows the broker."""
    files = {"gateway.key": encode_key(key), "gateway.crt": read_chain(certificate)}
    if broker_ca := read_broker_ca():
        files["broker-ca.crt"] = broker_ca
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for name, text in files.items():
            target.writestr(name, text)
    return archive.getvalue()


def read_broker_ca() -> bytes:
    """The CA that gateways know the broker by, as PEM; empty when no setting names it.

    Raises `AuthorityError`.
    """
    path = read_options(CertificateOptions).broker_ca_file
    try:
        return Path(path).read_bytes() if path else b""
    except OSError as error:
        raise AuthorityError(
            f"CA_BROKER_CA_FILE={path!r} cannot be read: {error.strerror}"
        ) from error
