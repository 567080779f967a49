"""A key and its certificate in one archive, for a gateway that cannot make a key itself.

The process that makes the key cannot sign: it asks for a certificate as a gateway does, and waits.
"""

import time

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.utils import timezone

from telemetry.certificates.enrolment import request_for
from telemetry.certificates.errors import CertificateError
from telemetry.certificates.issue import make_archive
from telemetry.certificates.signing_request import read_signing_request
from telemetry.certificates.x509 import make_key
from telemetry.models import Certificate, Enrolment, Gateway, User

WAIT_S = 10.0
LOOK_EVERY_S = 0.1


def issue_archive(gateway: Gateway, *, by: User | None) -> tuple[Certificate, bytes]:
    """The certificate and the ZIP; its key is in the ZIP and nowhere else.

    Blocks until a maintenance worker has signed, up to 10 s. Not inside a transaction. Raises
    `CertificateError`.
    """
    key = make_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gateway.mac)])
    built = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    request = read_signing_request(built.public_bytes(Encoding.DER))
    enrolment = request_for(request, by=by, now=timezone.now())
    give_up_at = time.monotonic() + WAIT_S
    while time.monotonic() < give_up_at:
        enrolment.refresh_from_db()
        if enrolment.certificate is not None:
            return enrolment.certificate, make_archive(enrolment.certificate, key)
        if enrolment.state != Enrolment.State.APPROVED:
            raise CertificateError(enrolment.note)
        time.sleep(LOOK_EVERY_S)
    open_one = Enrolment.objects.filter(pk=enrolment.pk, state=Enrolment.State.APPROVED)
    open_one.update(state=Enrolment.State.REJECTED, note="nobody signed in time")
    raise CertificateError(
        f"no maintenance worker signed within {WAIT_S:.0f} s: is the pool running, with CA_FOLDER "
        "and CA_PASSPHRASE? Try again"
    )
