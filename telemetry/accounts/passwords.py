"""Passwords that commands set, held to the rules of the pages."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from telemetry.models import User


def require_strong_password(password: str, *, user: User, setting: str) -> None:
    """Raise `CommandError` in one line, without the password, when the rules reject it."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        reasons = " ".join(error.messages)
        raise CommandError(f"{setting}=(hidden): {reasons}", returncode=2) from error
