"""What a gateway may ask to be signed, and what is rejected, with the reason."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from telemetry.certificates.errors import RequestError
from telemetry.certificates.signing_request import LARGEST_BYTES, read_signing_request
from tests.certificates import make_request

MAC = "aa:bb:cc:dd:ee:ff"


@pytest.mark.parametrize("common_name", [MAC, MAC.upper(), "AA-BB-CC-DD-EE-FF", "aabbccddeeff"])
def test_it_reads_the_mac_as_it_is_stored_however_it_is_written(common_name: str) -> None:
    assert read_signing_request(make_request(common_name)).mac == MAC


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: ec.generate_private_key(ec.SECP256R1()), id="P-256"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP384R1()), id="P-384"),
        pytest.param(lambda: rsa.generate_private_key(65_537, 2_048), id="RSA 2048"),
    ],
)
def test_it_accepts_a_request_when_its_key_is_strong(key: Callable[[], Any]) -> None:
    made = key()
    found = read_signing_request(make_request(MAC, made, serial_number="SN 1"))
    assert found.public_key.public_numbers() == made.public_key().public_numbers()
    assert found.serial_number == "SN 1"


@pytest.mark.parametrize(
    ("request_of", "reason"),
    [
        (lambda: make_request("gateway-1"), "its CN is 'gateway-1': expected one CN"),
        (lambda: make_request(MAC, names=("11:22:33:44:55:66",)), "its CN is '': expected one CN"),
        (
            lambda: make_request(MAC, rsa.generate_private_key(65_537, 1_024)),
            "its RSA key has 1024 bits: expected EC P-256 or P-384, or RSA of 2048",
        ),
        (
            lambda: make_request(MAC, rsa.generate_private_key(3, 2_048)),
            "its RSA key has a small exponent: expected 65537",
        ),
        (
            lambda: make_request(MAC, ec.generate_private_key(ec.SECP224R1())),
            "its key is on the curve secp224r1: expected EC P-256",
        ),
        (
            lambda: make_request(MAC, ed25519.Ed25519PrivateKey.generate(), algorithm=False),
            "its key is of another type: expected EC P-256",
        ),
        (
            lambda: make_request(MAC, dsa.generate_private_key(2_048)),
            "its key is of another type: expected EC P-256",
        ),
        (lambda: b"", "it cannot be read: expected PKCS #10 as PEM or DER"),
        (lambda: b"-----BEGIN NOTHING-----\n", "it cannot be read: expected PKCS #10"),
        (lambda: b"x" * (LARGEST_BYTES + 1), "expected at most 16384 of PKCS #10"),
    ],
)
def test_it_rejects_a_request_and_says_what_it_expects(
    request_of: Callable[[], bytes], reason: str
) -> None:
    with pytest.raises(RequestError) as caught:
        read_signing_request(request_of())
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_it_rejects_a_request_when_somebody_else_signed_it() -> None:
    request = x509.load_pem_x509_csr(make_request(MAC))
    forged = bytearray(request.public_bytes(Encoding.DER))
    forged[-1] ^= 1
    with pytest.raises(RequestError, match="its signature is wrong"):
        read_signing_request(bytes(forged))


def test_it_rejects_a_request_when_its_hash_is_weak() -> None:
    with pytest.raises(RequestError, match="signed with the hash sha224: expected SHA-256"):
        read_signing_request(make_request(MAC, algorithm=hashes.SHA224()))


@given(st.binary(max_size=2_000), st.integers(0, 400), st.integers(0, 255))
def test_it_raises_nothing_else_whatever_comes(data: bytes, at: int, byte: int) -> None:
    changed = bytearray(BASE)
    changed[at % len(changed)] = byte
    for candidate in (data, bytes(changed), BASE[:at]):
        with contextlib.suppress(RequestError):
            assert len(read_signing_request(candidate).mac) == len(MAC)


BASE = x509.load_pem_x509_csr(make_request(MAC)).public_bytes(Encoding.DER)
