"""The e-mails, each a function: who gets it, what it says. Called by a worker."""

from collections.abc import Callable
from datetime import date
from typing import Any

from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.encoding import force_bytes
from django.utils.functional import Promise
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from telemetry.accounts.members import VALID_FOR, renew_secret
from telemetry.mail.links import make_link, sign_address
from telemetry.models import Invitation, ReportSchedule, User
from telemetry.reporting.sending import send_report

NOTICES: dict[str, Promise] = {
    "password": gettext_lazy("Your password was changed"),
    "address": gettext_lazy("Your e-mail address was changed"),
    "token_issued": gettext_lazy("An API token was created"),
    "token_revoked": gettext_lazy("An API token was revoked"),
    "second_factor_on": gettext_lazy("The second factor of your sign-in was turned on"),
    "second_factor_off": gettext_lazy("The second factor of your sign-in was turned off"),
    "second_factor_codes": gettext_lazy("New recovery codes were made"),
    "second_factor_code_used": gettext_lazy("A recovery code was used to sign in"),
    "identity_linked": gettext_lazy("An identity provider can sign you in now"),
}


def write_mail(kind: str, language: str, **about: Any) -> int:
    """Write and send; how many e-mails. Raises the mail server's error."""
    with translation.override(language):
        return KINDS[kind](**about)


def write_reset(email: str) -> int:
    """A link for a new password, to each user with this address."""
    users = list(PasswordResetForm().get_users(email))
    for user in users:
        uid = urlsafe_base64_encode(force_bytes(user.pk))
        token = default_token_generator.make_token(user)
        with _language_of(user):
            _send(
                _("A new password for TDS Telemetry"), "signin/forgotten_email.txt", user.email,
                user=user, link=make_link("password_reset_confirm", uid, token),
            )  # fmt: skip
    return len(users)


def write_invitation(invitation_id: int) -> int:
    """The link into an account, unless it was used or revoked meanwhile."""
    invitation = (
        Invitation.objects.select_related("account", "invited_by")
        .filter(pk=invitation_id, accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
        .first()
    )
    if invitation is None:
        return 0
    link = make_link("invitation", renew_secret(invitation))
    _send(
        _("Invitation to %(account)s") % {"account": invitation.account.name},
        "members/invitation.txt", invitation.email,
        account=invitation.account, by=invitation.invited_by, link=link, days=VALID_FOR.days,
    )  # fmt: skip
    return 1


def write_report(schedule_id: int, month: str, user_id: int) -> int:
    """A report on request, if the user is still a member."""
    schedule = ReportSchedule.objects.select_related("account").filter(pk=schedule_id).first()
    user = User.objects.filter(
        pk=user_id, is_active=True, memberships__account__report_schedules=schedule_id
    ).first()
    if schedule is None or user is None or not user.email:
        return 0
    send_report(schedule, date.fromisoformat(month), to=user)
    return 1


def write_confirmation(user_id: int, email: str) -> int:
    """A link that makes the address the user's."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return 0
    link = make_link("confirm-address", sign_address(user, address=email))
    subject = _("Confirm your e-mail address for TDS Telemetry")
    _send(subject, "profile/confirm_email.txt", email, user=user, link=link)
    return 1


def write_notice(user_id: int, email: str, what: str, detail: str = "") -> int:
    """What was changed, to the address that the user had before."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        return 0
    with _language_of(user):
        subject = str(NOTICES[what])
        _send(
            f"{subject} - TDS Telemetry", "profile/notice.txt", email,
            user=user, what=subject, detail=detail, link=make_link("password_reset"),
        )  # fmt: skip
    return 1


KINDS: dict[str, Callable[..., int]] = {
    "reset": write_reset,
    "invitation": write_invitation,
    "report": write_report,
    "confirmation": write_confirmation,
    "notice": write_notice,
}


def _language_of(user: User) -> Any:
    return translation.override(user.language or translation.get_language())


def _send(subject: str, template: str, to: str, **context: Any) -> None:
    body = render_to_string(f"telemetry/{template}", context)
    send_mail(" ".join(subject.split()), body, None, [to])
