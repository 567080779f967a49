"""Keys, certificates and revocation lists as pure functions on values: no files, no database.

A certificate of ours says little: its CN is the gateway's MAC (or the lot's name), and it may prove
who a TLS client is. Whatever else a request asks for is left out.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from telemetry.certificates.errors import AuthorityError

BEFORE = timedelta(hours=1)  # gateways' clocks differ
CRL_VALID = timedelta(days=7)  # it is written anew every day and at each revocation

Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
"""A CA: its certificate, and the key that signs for it."""


def make_key() -> ec.EllipticCurvePrivateKey:
    """A new key on P-256, which every TLS client of the field knows."""
    return ec.generate_private_key(ec.SECP256R1())


def make_root(
    name: str, key: ec.EllipticCurvePrivateKey, *, days: int, path_length: int, now: datetime
) -> x509.Certificate:
    """The certificate of a CA that signs itself. Below it are `path_length` further CAs."""
    builder = _begin(_name(name), key.public_key(), now=now, until=now + timedelta(days=days))
    return _as_authority(builder, _name(name), key, path_length=path_length).sign(key, SHA256())


def sign_intermediate(
    name: str, key: ec.EllipticCurvePrivateKey, root: Signer, *, days: int, now: datetime
) -> x509.Certificate:
    """The certificate of the CA that works every day."""
    until = min(now + timedelta(days=days), root[0].not_valid_after_utc)
    builder = _begin(_name(name), key.public_key(), now=now, until=until)
    return _as_authority(builder, root[0].subject, root[1], path_length=0).sign(root[1], SHA256())


def sign_client(
    common_name: str,
    public_key: CertificatePublicKeyTypes,
    signer: Signer,
    *,
    days: int,
    now: datetime,
) -> x509.Certificate:
    """A certificate of a TLS client. Raises `AuthorityError` when it would outlive the CA."""
    until = now + timedelta(days=days)
    end = signer[0].not_valid_after_utc
    if until > end:
        raise AuthorityError(
            f"the CA's own certificate ends on {end:%Y-%m-%d}, before a new one would on "
            f"{until:%Y-%m-%d}: run manage.py ca renew"
        )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _begin(_name(common_name), public_key, now=now, until=until)
    return (
        builder.issuer_name(signer[0].subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer[1].public_key()),
            critical=False,
        )
        .sign(signer[1], SHA256())
    )


def sign_crl(
    revoked: Iterable[tuple[int, datetime]], signer: Signer, *, now: datetime
) -> x509.CertificateRevocationList:
    """The list of revoked certificates: serial number and time of each."""
    entries = [
        x509.RevokedCertificateBuilder(serial, at.replace(microsecond=0)).build()
        for serial, at in revoked
    ]
    # The builder's own way to add entries copies the list for each.
    builder = x509.CertificateRevocationListBuilder(revoked_certificates=entries)
    return (
        builder.issuer_name(signer[0].subject)
        .last_update(now)
        .next_update(now + CRL_VALID)
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer[1].public_key()),
            critical=False,
        )
        .sign(signer[1], SHA256())
    )


def format_serial(serial: int) -> str:
    """A serial number as it is stored and shown: hex digits, as openssl prints them."""
    return f"{serial:040x}"


def read_common_name(name: x509.Name) -> str:
    """The one CN of a name; empty when there is none, or more than one."""
    values = [attribute.value for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _begin(
    subject: x509.Name, public_key: CertificatePublicKeyTypes, *, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _as_authority(
    builder: x509.CertificateBuilder,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    path_length: int,
) -> x509.CertificateBuilder:
    """What makes it a CA's, below no more than `path_length` others."""
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        builder.issuer_name(issuer)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
