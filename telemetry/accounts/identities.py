"""Which user somebody is whom an identity provider vouches for."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.db import transaction
from django.dispatch import Signal
from django.utils.translation import gettext as _

from telemetry.models import Identity, User

identity_linked = Signal()
"""Sent with the identity, when a user signed in by it for the first time."""

log = structlog.get_logger("telemetry.signin")


class UnknownUserError(Exception):
    """The provider knows somebody and we do not. The text is for that person."""


def find_user(claims: Mapping[str, Any], *, issuer: str, creates_users: bool) -> User:
    """The user of these claims. By the subject; the first time by the address, if the provider has
    confirmed it and exactly one user has it. Raises `UnknownUserError`."""
    subject = str(claims["sub"])
    known = Identity.objects.filter(issuer=issuer, subject=subject).select_related("user").first()
    if known is not None:
        if not known.user.is_active:
            raise UnknownUserError(_("Your user is switched off here. Ask the administrator."))
        return known.user
    email = str(claims.get("email") or "")
    if not email or claims.get("email_verified") is not True:
        raise UnknownUserError(_("The identity provider has not confirmed your e-mail address."))
    with transaction.atomic():
        user = _find_by_address(email, issuer=issuer, creates_users=creates_users)
        identity = Identity.objects.create(user=user, issuer=issuer, subject=subject)
    log.info("identity_linked", user=user.get_username(), subject=subject)
    identity_linked.send(Identity, identity=identity)
    return user


def _find_by_address(email: str, *, issuer: str, creates_users: bool) -> User:
    users = list(User.objects.filter(email__iexact=email)[:2])
    if not users and creates_users and not User.objects.filter(username__iexact=email).exists():
        return User.objects.create_user(email[:150], email=email)
    if len(users) != 1 or not users[0].is_active:
        text = _("No user here has the e-mail address %(email)s. Ask the administrator.")
        raise UnknownUserError(text % {"email": email})
    if users[0].identities.filter(issuer=issuer).exists():
        text = _("The user with the address %(email)s is somebody else at the identity provider.")
        raise UnknownUserError(text % {"email": email})
    return users[0]
