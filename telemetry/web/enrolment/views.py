"""The operations of RFC 7030 that gateways need: CA certificates, enrolment, renewal.

A request that is not decided or not signed yet is answered 202 with Retry-After, and is repeated by
the client (RFC 7030, section 4.2.3). Errors are one line of text.
"""

import base64
import binascii
import time
from collections.abc import Callable
from functools import wraps

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from config.env import read_options
from config.options import CertificateOptions
from telemetry.accounts.counter import find_counter
from telemetry.certificates.authority import open_authority
from telemetry.certificates.enrolment import ClosedError, enrol, renew
from telemetry.certificates.errors import AuthorityError, RequestError
from telemetry.certificates.issue import read_broker_ca
from telemetry.certificates.signing_request import (
    LARGEST_BYTES,
    SigningRequest,
    read_signing_request,
)
from telemetry.models import Enrolment
from telemetry.store.db.account_scope import open_every_account
from telemetry.web.enrolment.client import Client, read_client

LONGEST_TEXT = 50
WINDOW_S = 60
MOST_OF_A_GATEWAY = 10
MOST_OF_A_LOT = 300
"""Requests a minute."""
RETRY_AFTER_S = {Enrolment.State.PENDING: 60, Enrolment.State.APPROVED: 2}

log = structlog.get_logger("telemetry.enrolment")


def answer_in_text(
    view: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """What is wrong is told the client in one line, and the log."""

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        open_every_account()  # a gateway asks before it has one
        try:
            return view(request)
        except ClosedError as error:
            return _reject(request, 403, str(error))
        except RequestError as error:
            return _reject(request, 400, str(error))
        except AuthorityError as error:
            log.error("enrolment_unavailable", error=str(error))
            return _reject(request, 503, "the CA does not work: try again later", retry_after_s=60)

    return answer


def _reject(
    request: HttpRequest, status: int, text: str, *, retry_after_s: int = 0
) -> HttpResponse:
    log.warning(
        "enrolment_not_accepted", status=status, reason=text, address=request.META["REMOTE_ADDR"]
    )
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
    kind = "text/plain; charset=utf-8"
    return HttpResponse(f"{text}\n", status=status, content_type=kind, headers=headers)


@require_GET
@answer_in_text
def show_ca_certificates(_request: HttpRequest) -> HttpResponse:
    """`/cacerts`: the CA of gateways, and that of the broker."""
    authority = open_authority(read_options(CertificateOptions))
    return _send(x509.load_pem_x509_certificates(authority.read_bundle() + read_broker_ca()))


@csrf_exempt
@require_POST
@answer_in_text
def enrol_simply(request: HttpRequest) -> HttpResponse:
    """`/simpleenroll`: with the certificate of the lot. `model` and `firmware` are parameters."""
    now = timezone.now()
    client = read_client(request, now=now)
    if client.lot is None:
        raise ClosedError("the client shows a gateway's certificate: expected /simplereenroll")
    signing_request, limited = _read_request(request, client)
    return limited or _answer(
        enrol(
            signing_request,
            lot=client.lot,
            model=request.GET.get("model", "")[:LONGEST_TEXT],
            firmware_version=request.GET.get("firmware", "")[:LONGEST_TEXT],
            address=request.META["REMOTE_ADDR"],
            now=now,
        )
    )


@csrf_exempt
@require_POST
@answer_in_text
def renew_simply(request: HttpRequest) -> HttpResponse:
    """`/simplereenroll`: with the gateway's own certificate, and a new key."""
    now = timezone.now()
    client = read_client(request, now=now)
    if client.certificate is None:
        raise ClosedError("the client shows a lot's certificate: expected /simpleenroll")
    signing_request, limited = _read_request(request, client)
    return limited or _answer(
        renew(
            signing_request,
            certificate=client.certificate,
            address=request.META["REMOTE_ADDR"],
            now=now,
        )
    )


def _read_request(
    request: HttpRequest, client: Client
) -> tuple[SigningRequest, HttpResponse | None]:
    """The request, and the answer when there were too many of this client or for this MAC."""
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if length > 2 * LARGEST_BYTES:
        raise RequestError(f"the body has {length} bytes: expected PKCS #10 in base64")
    signing_request = read_signing_request(_decode(request.body))
    counted = (
        (f"gateway:{signing_request.mac}", MOST_OF_A_GATEWAY),
        (f"client:{client.key}", MOST_OF_A_LOT),
    )
    window, elapsed_s = divmod(int(time.time()), WINDOW_S)
    counter = find_counter(settings.OPTIONS.redis)
    for name, most in counted:
        count = counter.count(f"enrolment:{name}:{window}", window_s=WINDOW_S)
        if count is not None and count > most:
            text = f"more than {most} requests a minute"
            limited = _reject(request, 429, text, retry_after_s=WINDOW_S - elapsed_s)
            return signing_request, limited
    return signing_request, None


def _decode(body: bytes) -> bytes:
    """PKCS #10 as RFC 7030 wants it, DER in base64; PEM is taken as well."""
    if body.lstrip().startswith(b"-----"):
        return body
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise RequestError("the body cannot be read: expected PKCS #10 in base64") from error


def _answer(enrolment: Enrolment) -> HttpResponse:
    certificate = enrolment.certificate
    if certificate is not None:
        return _send([x509.load_pem_x509_certificate(certificate.pem.encode())])
    wait_s = RETRY_AFTER_S[Enrolment.State(enrolment.state)]
    return HttpResponse(status=202, headers={"Retry-After": str(wait_s)})


def _send(certificates: list[x509.Certificate]) -> HttpResponse:
    """Certificates only, as PKCS #7 in base64 (RFC 7030, sections 4.1.3 and 4.2.3)."""
    body = base64.encodebytes(pkcs7.serialize_certificates(certificates, Encoding.DER))
    headers = {"Content-Transfer-Encoding": "base64"}
    kind = "application/pkcs7-mime; smime-type=certs-only"
    return HttpResponse(body, content_type=kind, headers=headers)
