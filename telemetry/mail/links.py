"""Links in e-mails. They begin with `WEB_URL`: the Host header is the client's to choose."""

from typing import Any

from django.conf import settings
from django.core import signing
from django.urls import reverse

from telemetry.models import User

CONFIRM_WITHIN_S = 4 * 3_600
_SALT = "telemetry.mail.address"


def make_link(page: str, *args: Any) -> str:
    """The address of a page; without `WEB_URL` only its path, for a page to show."""
    return f"{settings.OPTIONS.mail.site_url.rstrip('/')}{reverse(page, args=args)}"


def sign_address(user: User, *, address: str) -> str:
    """What proves that who has it reads the e-mail of the address. Another address or another
    password makes it void."""
    return signing.dumps([*_state(user), address], salt=_SALT)


def read_address(user: User, *, token: str) -> str | None:
    """The address that was signed for this user; None when it is void or too old."""
    try:
        *state, address = signing.loads(token, salt=_SALT, max_age=CONFIRM_WITHIN_S)
    except (signing.BadSignature, ValueError):
        return None
    return str(address) if state == _state(user) else None


def _state(user: User) -> list[Any]:
    return [user.pk, user.email, user.get_session_auth_hash()[-16:]]
