"""Queue an e-mail for a maintenance worker."""

from typing import Any

import structlog
from django.conf import settings
from django.utils.translation import get_language
from kombu.exceptions import OperationalError

from config.celery import app
from telemetry.core.batch import MAINTENANCE_QUEUE, SEND_MAIL_TASK

EXPIRES_S = 3_600
HIDDEN = "(hidden)"
"""What Flower shows in the place of addresses."""

log = structlog.get_logger("telemetry.mail")


def has_mail() -> bool:
    """Whether this site sends e-mails, with links that lead back to it."""
    return bool(settings.OPTIONS.mail.url and settings.OPTIONS.mail.site_url)


def can_take_addresses() -> bool:
    """Whether people may enter an address as theirs: an e-mail confirms it, or it opens nothing. An
    identity provider's users are found by it, so one who entered another's would get that user."""
    return has_mail() or not settings.OPTIONS.sign_in.provider.issuer


def queue_mail(kind: str, **about: Any) -> bool:
    """Have an e-mail written in the language of now; False when it cannot be queued.

    `kind` and `about`: the function in `telemetry.mail.write` and its arguments.
    """
    if not has_mail():
        return False
    given = {"kind": kind, "language": get_language() or settings.LANGUAGE_CODE, **about}
    try:
        app.send_task(
            SEND_MAIL_TASK, kwargs=given, queue=MAINTENANCE_QUEUE, retry=False, expires=EXPIRES_S,
            kwargsrepr=HIDDEN,
        )  # fmt: skip
    except OperationalError as error:
        log.warning("mail_not_queued", kind=kind, error=str(error))
        return False
    return True
