"""Revoke certificates, and write the list that the broker reads."""

from datetime import datetime, timedelta

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction

from config.env import read_options
from config.options import CertificateOptions
from telemetry.certificates.authority import Authority, open_authority, write_file
from telemetry.certificates.errors import AuthorityError
from telemetry.certificates.x509 import format_serial, sign_crl
from telemetry.models import Certificate, User

WRITE_EVERY = timedelta(days=1)
LONGEST_VALID = timedelta(days=3_650)  # of CA_VALID_DAYS

log = structlog.get_logger("telemetry.certificates")


def revoke_certificate(
    certificate: Certificate, *, reason: str, now: datetime, revoked_by: User | None = None
) -> bool:
    """End it for good; whether it had not ended before.

    The list is written at the commit or, where this process has no passphrase, by the task that
    looks every half a minute.
    """
    changed = Certificate.objects.filter(pk=certificate.pk, revoked_at=None).update(
        revoked_at=now, revoked_by=revoked_by, reason=reason
    )
    if changed:
        log.warning(
            "certificate_revoked",
            gateway=certificate.common_name,
            serial=certificate.serial,
            reason=reason,
            by=revoked_by.get_username() if revoked_by else None,
        )
        transaction.on_commit(lambda: _write_or_leave(now))
    return bool(changed)


def _write_or_leave(now: datetime) -> None:
    try:
        write_crl(now=now)
    except (AuthorityError, OSError) as error:
        log.warning("crl_not_written", error=str(error), what_to_do="a maintenance worker tries")


def write_crl(*, now: datetime) -> int:
    """Write the list; how many certificates it names. Raises `AuthorityError` or `OSError`."""
    authority = open_authority(read_options(CertificateOptions))
    revoked = _list_revoked(now) | _list_unknown(read_crl(authority), now)
    crl = sign_crl(revoked.items(), authority.read_signer(), now=now)
    write_file(authority.crl_file, crl.public_bytes(Encoding.PEM))
    return len(revoked)


def update_crl(*, now: datetime) -> bool:
    """Write the list when it is old, or lacks a certificate; whether it was written.

    Raises `AuthorityError` or `OSError`.
    """
    authority = open_authority(read_options(CertificateOptions))
    crl = read_crl(authority)
    if (
        crl is not None
        and now - crl.last_update_utc < WRITE_EVERY
        and _list_revoked(now).keys() <= {entry.serial_number for entry in crl}
    ):
        return False
    write_crl(now=now)
    return True


def read_crl(authority: Authority) -> x509.CertificateRevocationList | None:
    """The list as the broker has it; None when there is none that can be read."""
    try:
        return x509.load_pem_x509_crl(authority.crl_file.read_bytes())
    except (OSError, ValueError):
        return None


def _list_revoked(now: datetime) -> dict[int, datetime]:
    """Serial number and time of those that would still be valid."""
    rows = Certificate.objects.filter(revoked_at__isnull=False, not_after__gt=now).order_by("id")
    return {int(serial, 16): at for serial, at in rows.values_list("serial", "revoked_at") if at}


def _list_unknown(crl: x509.CertificateRevocationList | None, now: datetime) -> dict[int, datetime]:
    """What the list of before names and the database does not, as after the restore of an older
    backup: nothing becomes valid again by that."""
    listed = {
        format_serial(entry.serial_number): entry.revocation_date_utc
        for entry in crl or ()
        if entry.revocation_date_utc > now - LONGEST_VALID
    }
    rows = Certificate.objects.filter(serial__in=listed)
    ended = set(rows.filter(not_after__lte=now).values_list("serial", flat=True))
    return {int(serial, 16): at for serial, at in listed.items() if serial not in ended}
