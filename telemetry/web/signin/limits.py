"""Limits on guesses of passwords, and the log of sign-ins.

django-axes counts, in the database: the limits hold over all web processes.
"""

from typing import Any

import structlog
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from axes.signals import user_locked_out
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from telemetry.accounts.sessions import begin_session
from telemetry.models import User
from telemetry.web.signin.address import read_client_address, read_client_network

NAME_CHARACTERS = 150

log = structlog.get_logger("telemetry.signin")


def is_password(request: HttpRequest, password: str) -> bool:
    """Whether it is the password of who is signed in. A wrong one counts as a failed sign-in."""
    assert isinstance(request.user, User)
    name = request.user.get_username()
    return authenticate(request, username=name, password=password) is not None


def is_locked(request: HttpRequest, user: User) -> bool:
    """Whether too many sign-ins of this user from this address failed."""
    return not AxesProxyHandler.is_allowed(request, {"username": user.get_username()})


def count_failure(request: HttpRequest, user: User) -> None:
    """A wrong code counts as a wrong password does."""
    credentials = {"username": user.get_username()}
    user_login_failed.send(sender=__name__, credentials=credentials, request=request)


class Handler(AxesDatabaseHandler):  # type: ignore[misc]
    """A sign-in clears the failures of that name alone: those of its address, which belong to other
    names, still count. Otherwise who has a user guesses without end."""

    def reset_user_attempts(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        """Forget the failures of this name from this address; how many rows."""
        name = (credentials or {}).get("username")
        address = read_client_network(request)
        failures = AccessAttempt.objects.filter(username=name, ip_address=address)
        return int(failures.delete()[0])


@receiver(pre_save, sender=AccessAttempt)
def _drop_what_was_typed(instance: AccessAttempt, **_: Any) -> None:
    """Passwords are typed in wrong fields, too."""
    instance.get_data = instance.post_data = ""


@receiver(user_logged_in)
def _log_success(request: HttpRequest, user: User, **_: Any) -> None:
    address = read_client_address(request)
    begin_session(request.session, address=address, agent=request.META.get("HTTP_USER_AGENT", ""))
    log.info("signed_in", user=user.get_username(), address=address)


@receiver(user_login_failed)
def _log_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    if request is not None:
        name = str(credentials.get("username", ""))[:NAME_CHARACTERS]
        log.warning("sign_in_failed", user=name, address=read_client_address(request))


@receiver(user_locked_out)
def _log_lock(username: str | None, ip_address: str | None, **_: Any) -> None:
    log.warning("sign_in_locked", user=(username or "")[:NAME_CHARACTERS], address=ip_address)
