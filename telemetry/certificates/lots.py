"""Production lots: one bootstrap certificate for all gateways of a lot, and its end.

The certificate opens the enrolment address only: its CA is one that the broker does not know.
"""

import re
from datetime import datetime

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from config.env import read_options
from config.options import CertificateOptions
from telemetry.certificates.authority import LOTS, open_authority
from telemetry.certificates.errors import CertificateError
from telemetry.certificates.x509 import format_serial, make_key, sign_client
from telemetry.models import Lot

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")

log = structlog.get_logger("telemetry.certificates")


def open_lot(
    name: str, *, days: int, max_gateways: int, now: datetime
) -> tuple[Lot, bytes, ec.EllipticCurvePrivateKey]:
    """A new lot; its certificate as PEM and the key, which are kept nowhere.

    Raises `CertificateError`.
    """
    if not NAME.fullmatch(name):
        raise CertificateError(
            f"{name!r} is no name of a lot: expected 1 to 50 letters, digits, '.', '_' or '-'"
        )
    if Lot.objects.filter(name=name).exists():
        raise CertificateError(f"there is a lot {name} already: expected another name")
    key = make_key()
    signer = open_authority(read_options(CertificateOptions)).read_signer(LOTS)
    signed = sign_client(f"lot {name}", key.public_key(), signer, days=days, now=now)
    lot = Lot.objects.create(
        name=name,
        serial=format_serial(signed.serial_number),
        max_gateways=max_gateways,
        not_after=signed.not_valid_after_utc,
    )
    log.info("lot_opened", lot=name, gateways=max_gateways, until=lot.not_after.isoformat())
    return lot, signed.public_bytes(Encoding.PEM), key


def close_lot(lot: Lot, *, now: datetime) -> bool:
    """Let nobody enrol with its certificate any more; whether it was open."""
    closed = Lot.objects.filter(pk=lot.pk, closed_at=None).update(closed_at=now)
    if closed:
        log.info("lot_closed", lot=lot.name)
    return bool(closed)
