"""Sessions that know whose they are (Django's `SESSION_ENGINE`), so that users can list and end
theirs. A sign-in ends after `WEB_SESSION_HOURS`, however often it is used."""

import hashlib
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends import db
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from telemetry.models import Session, User

SIGN_IN = "sign_in"
"""Where the session's data has when, from where and by what browser somebody signed in."""
RECORD_USE_EVERY = timedelta(minutes=1)

log = structlog.get_logger("telemetry.signin")


class SessionStore(db.SessionStore):
    """Django's sessions of the database, with columns for what a user looks for."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """The table."""
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """The row of this data."""
        row: Any = super().create_model_instance(data)
        row.used_at = timezone.now()
        if SIGN_IN in data and SESSION_KEY in data:
            row.user_id = int(data[SESSION_KEY])
            row.started_at = parse_datetime(data[SIGN_IN]["at"])
            row.address, row.agent = data[SIGN_IN]["address"], data[SIGN_IN]["agent"]
        return row

    def _get_session_from_db(self) -> Session | None:
        """The row, unless it expired. Remembers that it was used, at most once a minute."""
        row: Session | None = super()._get_session_from_db()  # type: ignore[misc]  # of Django
        if row is not None and row.user_id and timezone.now() - row.used_at > RECORD_USE_EVERY:
            Session.objects.filter(pk=row.pk).update(used_at=timezone.now())
        return row


def begin_session(session: Any, *, address: str | None, agent: str) -> None:
    """Note a sign-in, and when it ends; forget sessions that are over."""
    now = timezone.now()
    session[SIGN_IN] = {
        "at": now.isoformat(), "address": (address or "")[:45], "agent": agent[:300],
    }  # fmt: skip
    session.set_expiry(now + timedelta(seconds=settings.SESSION_COOKIE_AGE))
    Session.objects.filter(expire_date__lt=now).delete()


def list_sessions(user: User) -> list[Session]:
    """Where the user is signed in, the newest use first. A new password has ended some."""
    rows = Session.objects.filter(user=user, expire_date__gt=timezone.now())
    valid = {user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()}
    return [
        row for row in rows.order_by("-used_at") if row.get_decoded().get(HASH_SESSION_KEY) in valid
    ]


def digest_session(session: Session) -> str:
    """What names a session on a page: whoever has its key has the session."""
    return hashlib.sha256(session.session_key.encode()).hexdigest()[:32]


def end_session(user: User, *, digest: str) -> bool:
    """End one of the user's sessions; whether there was one."""
    for row in Session.objects.filter(user=user):
        if digest_session(row) == digest:
            row.delete()
            log.info("session_ended", user=user.get_username())
            return True
    return False


def end_sessions(user: User, *, but: str | None = None) -> int:
    """End the user's sessions, but the one with this key; how many."""
    ended = Session.objects.filter(user=user).exclude(pk=but or "").delete()[0]
    if ended:
        log.info("sessions_ended", user=user.get_username(), count=ended)
    return ended


@receiver(post_save, sender=User)
def _note_change(instance: User, *, created: bool, **_: Any) -> None:
    """Log another password; end the sessions of who is switched off, or they would go on when the
    user is switched on again."""
    # By `set_password`, and not by a new hash of the same password.
    if not created and getattr(instance, "_password", None) is not None:
        log.info("password_changed", user=instance.get_username())
    if not instance.is_active:
        end_sessions(instance)
