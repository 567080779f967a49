"""Who a client of the enrolment address is: gunicorn has asked for its certificate."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from django.http import HttpRequest

from config.env import read_options
from config.options import CertificateOptions
from telemetry.certificates.authority import INTERMEDIATE, LOTS, open_authority
from telemetry.certificates.enrolment import ClosedError
from telemetry.certificates.x509 import format_serial
from telemetry.models import Certificate, Lot


@dataclass(frozen=True)
class Client:
    """A gateway that shows its lot's certificate, or its own. One of the two is set."""

    lot: Lot | None = None
    certificate: Certificate | None = None

    @property
    def key(self) -> str:
        """By which its requests are counted."""
        found = self.lot or self.certificate
        assert found is not None
        return found.serial


def read_client(request: HttpRequest, *, now: datetime) -> Client:
    """The client of a request. Raises `ClosedError` for a certificate that is not valid here.

    The handshake has checked that a CA of ours signed it. A resumed TLS session skips the dates.
    """
    data = request.META["gunicorn.socket"].getpeercert(binary_form=True)
    shown = x509.load_der_x509_certificate(data)
    if not shown.not_valid_before_utc <= now < shown.not_valid_after_utc:
        raise ClosedError("the client's certificate has ended, or is not valid yet")
    serial = format_serial(shown.serial_number)
    if is_signed_by(shown, LOTS):
        lot = Lot.objects.filter(serial=serial).first()
        if lot is not None:
            return Client(lot=lot)
    elif is_signed_by(shown, INTERMEDIATE):
        rows = Certificate.objects.select_related("gateway")
        certificate = rows.filter(serial=serial, revoked_at=None).first()
        if certificate is not None:
            return Client(certificate=certificate)
    raise ClosedError(f"the client's certificate {serial} is revoked or not known here")


def is_signed_by(certificate: x509.Certificate, name: str) -> bool:
    """Whether one of our CAs signed it."""
    issuer = open_authority(read_options(CertificateOptions)).read_certificate(name)
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
