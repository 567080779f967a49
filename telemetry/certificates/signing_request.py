"""Signing requests (PKCS #10): what a gateway asks for, checked before anything is signed.

The request proves that who made it has the key. Its CN must be a MAC; which gateway that is and
whether it may have a certificate is decided elsewhere. Extensions and other names that it asks for
are ignored: a certificate of ours says nothing that we did not write.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from telemetry.certificates.errors import RequestError
from telemetry.certificates.x509 import read_common_name
from telemetry.core.topic import read_mac

LARGEST_BYTES = 16_384
CURVES = (ec.SECP256R1, ec.SECP384R1)
RSA_BITS = (2_048, 4_096)
HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
EXPECTED_KEYS = "expected EC P-256 or P-384, or RSA of 2048 to 4096 bits"
LONGEST_NAME = 64
# What the library raises for bytes that are no request: found by fuzzing.
UNREADABLE = (ValueError, TypeError, UserWarning, x509.InvalidVersion)


@dataclass(frozen=True)
class SigningRequest:
    """A request whose form, key and signature are right. `mac` is as it is stored."""

    mac: str
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    serial_number: str
    """The device's own, from its factory, if the request's name has one; never our serial."""
    pem: str


def read_signing_request(data: bytes) -> SigningRequest:
    """Check a request in PEM or DER. Raises `RequestError`."""
    request, subject = _parse(data)
    common_name = read_common_name(subject)
    mac = read_mac(common_name)
    if mac is None:
        raise RequestError(
            f"its CN is {common_name[:LONGEST_NAME]!r}: expected one CN, the gateway's MAC as "
            "aa:bb:cc:dd:ee:ff"
        )
    try:
        public_key = request.public_key()
        is_signed = request.is_signature_valid
        hash_algorithm = request.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError) as error:
        raise RequestError(f"its key cannot be read: {EXPECTED_KEYS}") from error
    if not isinstance(public_key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise RequestError(f"its key is of another type: {EXPECTED_KEYS}")
    _check_strength(public_key)
    if not isinstance(hash_algorithm, HASHES):
        name = hash_algorithm.name if hash_algorithm else "none"
        raise RequestError(f"it is signed with the hash {name}: expected SHA-256, 384 or 512")
    if not is_signed:
        raise RequestError("its signature is wrong: expected one by the key that it names")
    names = subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    serial_number = str(names[0].value)[:LONGEST_NAME] if names else ""
    pem = request.public_bytes(Encoding.PEM).decode()
    return SigningRequest(mac, public_key, serial_number, pem)


def _parse(data: bytes) -> tuple[x509.CertificateSigningRequest, x509.Name]:
    if len(data) > LARGEST_BYTES:
        raise RequestError(
            f"the request has {len(data)} bytes: expected at most {LARGEST_BYTES} of PKCS #10"
        )
    try:
        is_pem = data.lstrip().startswith(b"-----")
        request = x509.load_pem_x509_csr(data) if is_pem else x509.load_der_x509_csr(data)
        return request, request.subject  # names are decoded when they are read
    except UNREADABLE as error:
        raise RequestError("it cannot be read: expected PKCS #10 as PEM or DER") from error


def _check_strength(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, CURVES):
            raise RequestError(f"its key is on the curve {key.curve.name}: {EXPECTED_KEYS}")
    elif not RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
        raise RequestError(f"its RSA key has {key.key_size} bits: {EXPECTED_KEYS}")
    elif key.public_numbers().e < 65_537:
        raise RequestError("its RSA key has a small exponent: expected 65537")
