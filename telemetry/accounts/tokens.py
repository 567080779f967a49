"""Personal tokens of the API: issued once, found by their hash, revoked."""

import hashlib
import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

import structlog
from django.db.models import Q
from django.db.models.functions import Now
from django.dispatch import Signal
from django.utils import timezone

from telemetry.models import Account, ApiToken, User

MARK = "tds_"
"""Every token begins with it, so that scanners of source code can tell one."""
FORM = re.compile(r"tds_[A-Za-z0-9_-]{43}")
SECRET_BYTES = 32
PREFIX_LENGTH = 12
RECORD_USE_EVERY = timedelta(minutes=1)
MOST_TOKENS = 50
"""Tokens that a user may hold which are not revoked."""

token_issued, token_revoked = Signal(), Signal()
"""Sent with the token, once for each."""

log = structlog.get_logger("telemetry.tokens")


def issue_token(
    user: User,
    *,
    name: str,
    scopes: Collection[str],
    account: Account | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its text, which is not stored: whoever loses it makes another."""
    text = MARK + secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=text[:PREFIX_LENGTH],
        digest=digest_token(text),
        scopes=sorted(set(scopes)),
        account=account,
        expires_at=expires_at,
    )
    log.info("api_token_issued", token_id=token.pk, user_id=user.pk, scopes=token.scopes)
    token_issued.send(ApiToken, token=token)
    return token, text


def find_token(text: str) -> ApiToken | None:
    """The token with this text and its user, also when it is expired or revoked."""
    if not FORM.fullmatch(text):
        return None
    return ApiToken.objects.select_related("user").filter(digest=digest_token(text)).first()


def record_use(token: ApiToken, *, now: datetime) -> None:
    """Remember that it was used, at most once a minute."""
    if token.last_used_at is not None and now - token.last_used_at < RECORD_USE_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - RECORD_USE_EVERY)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def revoke_token(token: ApiToken) -> None:
    """End it for good. Repeating it changes nothing."""
    ended = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now())
    if ended:
        log.info("api_token_revoked", token_id=token.pk, user_id=token.user_id)
        token_revoked.send(ApiToken, token=token)


def revoke_all_tokens(user: User) -> int:
    """End all of a user's tokens; how many had not ended before."""
    tokens = list(ApiToken.objects.filter(user=user, revoked_at=None).select_related("user"))
    for token in tokens:
        revoke_token(token)
    return len(tokens)


def count_tokens(user: User) -> int:
    """How many of the user's tokens still open something."""
    lives = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ApiToken.objects.filter(lives, user=user, revoked_at=None).count()


def digest_token(text: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(text.encode()).digest()
