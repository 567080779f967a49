"""E-mails about alarms, in the reader's language, with times in the account's zone."""

from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from telemetry.alarms.payload import find_link, list_alarms
from telemetry.mail.links import make_link
from telemetry.models import Alarm, AlarmDelivery

MOST_ALARMS = 50
"""Listed in an e-mail; it says how many there are, and the page has them all."""


def send_email(delivery: AlarmDelivery) -> None:
    """Send it, unless its reader left the account. Raises the mail server's error."""
    user, rule, account = delivery.user, delivery.rule, delivery.account
    assert user is not None
    if rule is not None and not _may_read(delivery):
        return
    zone = account.time_zone if account else "UTC"
    language = user.language or settings.LANGUAGE_CODE
    with translation.override(language), timezone.override(zone):
        alarms = list_alarms(delivery)
        context = {
            "event": delivery.event,
            "rule": rule,
            "account": account,
            "zone": zone,
            "alarms": [{"alarm": one, "link": find_link(one)} for one in alarms[:MOST_ALARMS]],
            "count": len(alarms),
            "more": max(0, len(alarms) - MOST_ALARMS),
            "link": _find_page(delivery),
        }
        body = render_to_string("telemetry/alarms/email.txt", context)
        send_mail(" ".join(_write_subject(delivery, alarms).split()), body, None, [user.email])


def _may_read(delivery: AlarmDelivery) -> bool:
    rule, user = delivery.rule, delivery.user
    assert rule is not None
    assert user is not None
    if rule.account_id is not None:
        return user.is_active and user.memberships.filter(account=rule.account_id).exists()
    return user.is_active and user.is_staff


def _find_page(delivery: AlarmDelivery) -> str:
    if delivery.account_id is None:
        return make_link("admin:telemetry_alarm_changelist")
    return make_link("alarms", delivery.account_id)


def _write_subject(delivery: AlarmDelivery, alarms: list[Alarm]) -> str:
    events: dict[str, Any] = {
        "raised": _("Alarm"),
        "cleared": _("Alarm over"),
        "escalated": _("Alarm that nobody has acknowledged"),
        "test": _("Test of an alarm"),
    }
    about = str(delivery.rule or "")
    if len(alarms) == 1:
        about = f"{name_subject(alarms[0])}: {about or alarms[0].get_kind_display()}"
    elif alarms:
        count = len(alarms)
        number = ngettext("%(count)d alarm", "%(count)d alarms", count) % {"count": count}
        about = f"{about} ({number})"
    where = f"[{delivery.account.name}] " if delivery.account else "[TDS Telemetry] "
    return f"{where}{events[delivery.event]}: {about}"


def name_subject(alarm: Alarm) -> str:
    """What the alarm is about, by its name."""
    if alarm.device is not None:
        return f"{alarm.device} ({alarm.device.gateway.code})"
    if alarm.gateway is not None:
        return f"{alarm.gateway.code} {alarm.gateway.name}".strip()
    if alarm.account_id is not None:
        return _("a device that moved to another account")
    return alarm.detail if alarm.kind == "disk" else _("the system")
