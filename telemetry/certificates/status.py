"""How the CA is: what ends when, what the broker was told, and what needs an operator."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from config.env import read_options
from config.options import CertificateOptions
from telemetry.certificates.authority import INTERMEDIATE, LOTS, open_authority
from telemetry.certificates.enrolment import sign_approved
from telemetry.certificates.errors import AuthorityError
from telemetry.certificates.revocation import read_crl, update_crl
from telemetry.models import Certificate

NAMED = 5
"""Gateways that a problem names."""
MANAGE = "manage.py ca renew"


@dataclass
class AuthorityStatus:
    """Times are UTC. `problems` are lines for the operator."""

    can_sign: bool
    intermediate_until: datetime
    lots_until: datetime
    crl_written_at: datetime | None
    valid: int
    ending: int
    """Valid, and they end soon without another."""
    ended: int
    """Gateways in service whose last certificate has ended."""
    revoked: int
    problems: list[str] = field(default_factory=list)


def read_status(*, now: datetime) -> AuthorityStatus:
    """Read files and database. Raises `AuthorityError` when there is no CA."""
    options = read_options(CertificateOptions)
    authority = open_authority(options)
    intermediate, lots = authority.read_certificate(INTERMEDIATE), authority.read_certificate(LOTS)
    crl = read_crl(authority)
    soon = now + timedelta(days=options.warn_days)
    ending, ended = find_ending(now=now, before=soon), find_ending(before=now)
    rows = Certificate.objects.all()
    status = AuthorityStatus(
        can_sign=bool(authority.passphrase),
        intermediate_until=intermediate.not_valid_after_utc,
        lots_until=lots.not_valid_after_utc,
        crl_written_at=None if crl is None else crl.last_update_utc,  # an empty list is false
        valid=rows.filter(revoked_at=None, not_after__gt=now).count(),
        ending=ending.count(),
        ended=ended.count(),
        revoked=rows.filter(revoked_at__isnull=False).count(),
    )
    status.problems = list_problems(now=now)
    # Gateways' certificates must not outlive it, so it is renewed that much earlier.
    if intermediate.not_valid_after_utc < soon + timedelta(days=options.valid_days):
        status.problems.append(
            f"the CA's own certificate ends on {intermediate.not_valid_after_utc:%Y-%m-%d}: bring "
            f"the root's key and run {MANAGE}"
        )
    if crl is None:
        status.problems.append(f"{authority.crl_file} is missing: run manage.py ca crl")
    elif crl.next_update_utc is not None and crl.next_update_utc <= now:
        status.problems.append(
            f"{authority.crl_file} was not written since {crl.last_update_utc:%Y-%m-%d}: is the "
            "maintenance pool running, with CA_PASSPHRASE?"
        )
    return status


@dataclass
class Update:
    """What a run of the task did: certificates signed, lists written (0 or 1); what is wrong."""

    signed: int = 0
    written: int = 0
    problems: list[str] = field(default_factory=list)


def update_and_check(*, now: datetime) -> Update:
    """Sign what was approved, and write the list of revoked certificates if it must be.

    Without a CA nothing is done, and nothing is wrong.
    """
    update = Update()
    if not read_options(CertificateOptions).folder:
        return update
    try:
        update.written = int(update_crl(now=now))
        update.signed = sign_approved(now=now)
        update.problems = read_status(now=now).problems
    except (AuthorityError, OSError) as error:
        update.problems = [str(error)]
    return update


def list_problems(*, now: datetime) -> list[str]:
    """Which gateways need a new certificate soon, and which needed one before; a line each."""
    soon = now + timedelta(days=read_options(CertificateOptions).warn_days)
    return [
        *_describe("ends soon", find_ending(now=now, before=soon)),
        *_describe("has ended", find_ending(before=now)),
    ]


def find_ending(*, before: datetime, now: datetime | None = None) -> QuerySet[Certificate]:
    """The last certificates of active gateways that end until `before`, and after `now`."""
    later = Certificate.objects.filter(
        gateway=OuterRef("gateway"), revoked_at=None, not_after__gt=OuterRef("not_after")
    )
    found = Certificate.objects.filter(
        ~Exists(later), revoked_at=None, not_after__lte=before, gateway__is_active=True
    )
    return (found.filter(not_after__gt=now) if now else found).order_by("not_after")


def _describe(text: str, ending: QuerySet[Certificate]) -> list[str]:
    count = ending.count()
    if not count:
        return []
    names = ", ".join(ending.values_list("common_name", flat=True)[:NAMED])
    names += ", ..." if count > NAMED else ""
    return [
        f"the certificate of {count} gateway{'s' * (count > 1)} {text} ({names}): issue another"
    ]
