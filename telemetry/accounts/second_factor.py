"""The second factor of a sign-in: codes of an authenticator app (TOTP), and recovery codes.

django-otp keeps both in the database. It takes each code once, and after wrong ones it makes the
next try wait, twice as long each time, from whatever address it comes. Of recovery codes only a
keyed digest is stored.
"""

import re
from base64 import b32encode
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django_otp import devices_for_user
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp.util import random_hex

from telemetry.models import User

RECOVERY_CODES = 10
APP_CODE = re.compile(r"[0-9]{6}")

second_factor_changed = Signal()
"""Sent with the user, and what was done: "on", "off", "codes" or "code_used"."""

log = structlog.get_logger("telemetry.signin")


def must_have_second_factor(user: User) -> bool:
    """Whether `WEB_SECOND_FACTOR` asks for one of this user."""
    who: str = settings.OPTIONS.sign_in.second_factor
    return who == "everyone" or (who == "staff" and bool(user.is_staff))


def has_second_factor(user: User) -> bool:
    """Whether the user's sign-in takes a code."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def make_key() -> str:
    """A new secret for an authenticator app, in hexadecimal."""
    return str(random_hex(20))


def make_address(user: User, *, key: str) -> str:
    """What the app reads as a QR code (otpauth://)."""
    return str(TOTPDevice(user=user, key=key).config_url)


def format_key(key: str) -> str:
    """The secret as one types it into the app: groups of four letters."""
    text = b32encode(bytes.fromhex(key)).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def turn_on(user: User, *, key: str, code: str) -> TOTPDevice | None:
    """Ask for codes of this key from now on, if the code shows that the app has it."""
    with transaction.atomic():
        turn_off(user, is_told=False)
        device: TOTPDevice = TOTPDevice.objects.create(user=user, name="app", key=key)
        if not device.verify_token(clean_code(code)):
            transaction.set_rollback(True)
            return None
    _tell(user, "on")
    return device


def turn_off(user: User, *, is_told: bool = True) -> bool:
    """Ask for no codes any more; whether any were asked for."""
    devices = list(devices_for_user(user, confirmed=None))
    for device in devices:
        device.delete()
    if devices and is_told:
        _tell(user, "off")
    return bool(devices)


def renew_recovery_codes(user: User, *, is_told: bool = True) -> list[str]:
    """New codes, each of which stands in for the app once; those of before are void."""
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name="recovery")
        StaticToken.objects.bulk_create(
            StaticToken(device=device, token=_digest(code, settings.SECRET_KEY)) for code in codes
        )
    if is_told:
        _tell(user, "codes")
    return codes


def count_recovery_codes(user: User) -> int:
    """How many were not used yet."""
    return int(StaticToken.objects.filter(device__user=user).count())


def verify_code(user: User, *, code: str) -> tuple[Any, int]:
    """The device whose code it is, and 0. Else None, and for how many seconds no code is taken."""
    text = clean_code(code)
    is_of_app = APP_CODE.fullmatch(text) is not None
    devices: Any = (TOTPDevice if is_of_app else StaticDevice).objects
    with transaction.atomic():
        device = devices.select_for_update().filter(user=user, confirmed=True).first()
        if device is None:
            return None, 0
        is_allowed, why = device.verify_is_allowed()
        if not is_allowed:
            return None, max(1, round((why["locked_until"] - timezone.now()).total_seconds()))
        is_right = device.verify_token(text if is_of_app else _find_digest(device, text))
    if is_right and not is_of_app:
        _tell(user, "code_used")
        # The session stays the user's when new recovery codes are made.
        device = TOTPDevice.objects.filter(user=user, confirmed=True).first()
    return (device, 0) if is_right else (None, 0)


def clean_code(code: str) -> str:
    """A code without what people type between its characters."""
    return re.sub(r"[\s-]", "", code).lower()


def _find_digest(device: StaticDevice, code: str) -> str:
    """What is stored of a code; made with a former `SECRET_KEY`, if that is how it is stored."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    digests = [_digest(code, key) for key in keys]
    stored = device.token_set.filter(token__in=digests).values_list("token", flat=True).first()
    return str(stored or digests[0])


def _digest(code: str, key: str) -> str:
    return salted_hmac("telemetry.recovery_code", code, key, algorithm="sha256").hexdigest()[:16]


def _tell(user: User, what: str) -> None:
    log.info("second_factor", user=user.get_username(), what=what)
    second_factor_changed.send(User, user=user, what=what)
