"""E-mail when none is set up: an error that says so, instead of e-mails that vanish."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class MailNotSetUpError(Exception):
    """No e-mail can be sent: `EMAIL_URL` is not set."""

    def __init__(self) -> None:
        super().__init__("no e-mail can be sent: EMAIL_URL is not set")


class NoMail(BaseEmailBackend):
    """Django's e-mail backend of a site without e-mail."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Raises `MailNotSetUpError`."""
        raise MailNotSetUpError
