"""Links of screens on a wall: issued once, found by their digest, revoked."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta

import structlog
from django.db.models import Q
from django.db.models.functions import Now

from telemetry.models import Account, KioskLink, User

FORM = re.compile(r"[A-Za-z0-9_-]{43}")
SECRET_BYTES = 32
RECORD_USE_EVERY = timedelta(minutes=10)
MOST_LINKS = 20
"""Of an account, those that are not revoked."""

log = structlog.get_logger("telemetry.kiosks")


def issue_link(account: Account, *, name: str, user: User) -> tuple[KioskLink, str]:
    """A new link and its secret, which is not stored: whoever loses it makes another."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    link = KioskLink.objects.create(
        account=account, name=name, digest=_digest(secret), created_by=user
    )
    log.info("kiosk_link_issued", link_id=link.pk, account_id=account.pk, user_id=user.pk)
    return link, secret


def find_link(secret: str) -> KioskLink | None:
    """The valid link with this secret, and its account, which is active."""
    if not FORM.fullmatch(secret):
        return None
    links = KioskLink.objects.select_related("account").filter(account__is_active=True)
    return links.filter(digest=_digest(secret), revoked_at=None).first()


def record_use(link: KioskLink, *, now: datetime) -> None:
    """Remember that a screen shows it, every ten minutes."""
    if link.used_at is not None and now - link.used_at < RECORD_USE_EVERY:
        return
    stale = Q(used_at=None) | Q(used_at__lt=now - RECORD_USE_EVERY)
    KioskLink.objects.filter(stale, pk=link.pk).update(used_at=now)


def revoke_link(link: KioskLink, *, user: User) -> None:
    """End it for good: its screens go dark within seconds. Repeating it changes nothing."""
    if KioskLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=Now()):
        log.info("kiosk_link_revoked", link_id=link.pk, user_id=user.pk)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
