"""A gateway's way to a certificate: it asks, an administrator decides, a worker signs.

    lot's certificate      pending -> approved -> issued   an administrator allocates the gateway
    gateway's certificate             approved -> issued   a renewal: nobody needs to decide
    administrator                     approved -> issued   a request that was brought by hand

Only the maintenance pool signs: neither the process that gateways reach nor the pages have a key of
the CA.
"""

import hashlib
from datetime import datetime, timedelta

import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import transaction
from django.db.models import Q
from kombu.exceptions import OperationalError

from config.celery import app
from telemetry.certificates.errors import RequestError
from telemetry.certificates.issue import find_gateway, sign_request
from telemetry.certificates.signing_request import SigningRequest, read_signing_request
from telemetry.core.batch import CHECK_CERTIFICATES_TASK, MAINTENANCE_QUEUE
from telemetry.models import Account, Certificate, Enrolment, Gateway, Lot, User

State = Enrolment.State
COLLECT_WITHIN = timedelta(days=7)
"""How long after it was issued a gateway may collect its certificate with that of its lot."""
AT_ONCE = 100

log = structlog.get_logger("telemetry.certificates")


class ClosedError(RequestError):
    """Whoever asks has proved who it is, and may not: lot closed, rejected, enrolled already."""


def enrol(
    request: SigningRequest,
    *,
    lot: Lot,
    model: str,
    firmware_version: str,
    address: str | None,
    now: datetime,
) -> Enrolment:
    """Enter a gateway's request, or find it again. Raises `ClosedError`.

    A second key for the same MAC waits beside the first: an administrator chooses.
    """
    if lot.closed_at is not None or lot.not_after <= now:
        raise ClosedError(f"the lot {lot.name} is closed: ask the operator for another certificate")
    found = _find(request)
    if found is not None and found.lot_id == lot.pk:
        Enrolment.objects.filter(pk=found.pk).update(seen_at=now, address=address)
        return _require_open(found, now)
    valid = Certificate.objects.filter(gateway__mac=request.mac, revoked_at=None, not_after__gt=now)
    if valid.exists():
        raise ClosedError(
            f"the gateway {request.mac} has a certificate: expected a renewal with it"
        )
    with transaction.atomic():
        Lot.objects.select_for_update().get(pk=lot.pk)
        if lot.enrolments.count() >= lot.max_gateways:
            raise ClosedError(f"the lot {lot.name} is full: {lot.max_gateways} gateways have asked")
        enrolment, is_new = Enrolment.objects.get_or_create(
            mac=request.mac,
            key_digest=digest_key(request),
            defaults={
                "lot": lot,
                "csr": request.pem,
                "serial_number": request.serial_number,
                "model": model,
                "firmware_version": firmware_version,
                "address": address,
                "requested_at": now,
                "seen_at": now,
            },
        )
    if is_new:
        log.info("enrolment_requested", gateway=request.mac, lot=lot.name, address=address)
    return _require_open(enrolment, now)


def renew(
    request: SigningRequest, *, certificate: Certificate, address: str | None, now: datetime
) -> Enrolment:
    """Enter the renewal of a gateway that has shown this certificate. Raises `ClosedError`.

    Possible in the second half of a certificate's time, so that nobody fills the tables.
    """
    if certificate.get_state(now=now) != "valid":
        raise ClosedError(f"the certificate {certificate.serial} is no longer valid")
    if request.mac != certificate.common_name:
        raise ClosedError(f"the request is for {request.mac}: expected {certificate.common_name}")
    found = _find(request)
    if found is not None and found.certificate_id == certificate.pk:
        raise ClosedError("the request has the key of the certificate: expected a new key")
    if found is not None:
        return _require_open(found, now)
    half = certificate.not_before + (certificate.not_after - certificate.not_before) / 2
    if now < half:
        raise ClosedError(f"the certificate can be renewed from {half:%Y-%m-%d %H:%M} UTC on")
    gateway = certificate.gateway
    open_ones = Enrolment.objects.filter(gateway=gateway, state=State.APPROVED)
    if open_ones.exists():
        raise ClosedError("a renewal with another key is under way: try again when it is issued")
    return _approve_new(request, gateway, by=None, address=address, now=now)


def request_for(request: SigningRequest, *, by: User | None, now: datetime) -> Enrolment:
    """Enter a request that an administrator brought. Raises `RequestError`."""
    gateway = find_gateway(request.mac)
    found = _find(request)
    if found is None:
        return _approve_new(request, gateway, by=by, address=None, now=now)
    if found.state == State.PENDING:
        approve(found, gateway=gateway, by=by, now=now)
        found.refresh_from_db()
    return found


def allocate(
    enrolment: Enrolment, *, account: Account, code: str, by: User | None, now: datetime
) -> Gateway:
    """Register the gateway in an account, and approve its request. Raises `RequestError`."""
    with transaction.atomic():
        if Gateway.objects.filter(account=account, code=code).exclude(mac=enrolment.mac).exists():
            raise RequestError(f"the account has a gateway {code} already: expected another code")
        gateway, _ = Gateway.objects.get_or_create(
            mac=enrolment.mac,
            defaults={
                "account": account,
                "code": code,
                "name": enrolment.model,
                "firmware_version": enrolment.firmware_version,
            },
        )
        if gateway.account_id != account.pk:
            raise RequestError(
                f"the gateway {enrolment.mac} belongs to {gateway.account}: expected that account"
            )
        approve(enrolment, gateway=gateway, by=by, now=now)
    return gateway


def approve(enrolment: Enrolment, *, gateway: Gateway, by: User | None, now: datetime) -> None:
    """Let a pending request be signed. Other keys for the same MAC are rejected.

    Raises `RequestError` when it is not pending any more.
    """
    with transaction.atomic():
        changed = Enrolment.objects.filter(pk=enrolment.pk, state=State.PENDING).update(
            state=State.APPROVED, gateway=gateway, decided_by=by, decided_at=now
        )
        if not changed:
            raise RequestError(f"{enrolment.mac}: this request is not pending any more")
        others = Enrolment.objects.filter(mac=enrolment.mac, state=State.PENDING)
        others.update(
            state=State.REJECTED, decided_by=by, decided_at=now, note="another key was approved"
        )
        transaction.on_commit(wake_signer)
    log.info("enrolment_approved", gateway=enrolment.mac, by=by.get_username() if by else None)


def reject(enrolment: Enrolment, *, by: User | None, note: str, now: datetime) -> bool:
    """Turn a pending request down; whether it was pending."""
    changed = Enrolment.objects.filter(pk=enrolment.pk, state=State.PENDING).update(
        state=State.REJECTED, decided_by=by, decided_at=now, note=note
    )
    if changed:
        log.warning("enrolment_rejected", gateway=enrolment.mac, note=note)
    return bool(changed)


def sign_approved(*, now: datetime) -> int:
    """Sign what was approved; how many. Raises `AuthorityError`.

    Repeatable, also at once in several processes: each request is signed once.
    """
    signed = 0
    for key in Enrolment.objects.filter(state=State.APPROVED).values_list("pk", flat=True)[
        :AT_ONCE
    ]:
        with transaction.atomic():
            rows = Enrolment.objects.select_for_update(skip_locked=True, of=("self",))
            enrolment = rows.filter(pk=key, state=State.APPROVED).first()
            if enrolment is None:
                continue
            try:
                request = read_signing_request(enrolment.csr.encode())
                enrolment.certificate = sign_request(
                    request, now=now, issued_by=enrolment.decided_by
                )
                enrolment.state = State.ISSUED
                signed += 1
            except RequestError as error:  # the gateway is not active any more
                enrolment.state, enrolment.note = State.REJECTED, str(error)[:200]
            enrolment.save(update_fields=["certificate", "state", "note"])
    return signed


def wake_signer() -> None:
    """Have the maintenance pool sign now; without that it does so within half a minute."""
    try:
        app.send_task(CHECK_CERTIFICATES_TASK, queue=MAINTENANCE_QUEUE, retry=False, expires=60)
    except OperationalError as error:
        log.warning("signing_waits", error=str(error))


def digest_key(request: SigningRequest) -> str:
    """By which a request is known again: SHA-256 of the key's DER."""
    encoded = request.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def _find(request: SigningRequest) -> Enrolment | None:
    known = Q(mac=request.mac, key_digest=digest_key(request))
    return Enrolment.objects.select_related("certificate").filter(known).first()


def _approve_new(
    request: SigningRequest,
    gateway: Gateway,
    *,
    by: User | None,
    address: str | None,
    now: datetime,
) -> Enrolment:
    enrolment, is_new = Enrolment.objects.get_or_create(
        mac=request.mac,
        key_digest=digest_key(request),
        defaults={
            "state": State.APPROVED,
            "csr": request.pem,
            "serial_number": request.serial_number,
            "gateway": gateway,
            "address": address,
            "decided_by": by,
            "decided_at": now,
            "requested_at": now,
            "seen_at": now,
        },
    )
    if is_new:
        transaction.on_commit(wake_signer)
    return enrolment


def _require_open(enrolment: Enrolment, now: datetime) -> Enrolment:
    if enrolment.state == State.REJECTED:
        raise ClosedError(f"the request was rejected: {enrolment.note or 'ask the operator'}")
    certificate = enrolment.certificate
    if certificate is None:
        return enrolment
    if certificate.get_state(now=now) != "valid":
        raise ClosedError("the certificate for this key is no longer valid: expected a new key")
    if enrolment.lot_id is not None and now - certificate.issued_at > COLLECT_WITHIN:
        raise ClosedError(
            f"the gateway {enrolment.mac} has a certificate: expected a renewal with it"
        )
    return enrolment
