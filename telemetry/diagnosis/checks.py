"""The checks of what reaches this system, in the order in which a reading travels: from the gateway
to the dead letters. Pure: they look at facts alone. `inside.py` has those of what comes after.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from msgspec import Struct, field

from telemetry.dead_letters.details import describe_detail
from telemetry.dead_letters.texts import NEXT_STEPS, name_reason
from telemetry.diagnosis.facts import Facts
from telemetry.diagnosis.texts import FAILURES, NOT_LOST, Failure
from telemetry.web.formatting import describe_age

OK, WARN, BAD, UNKNOWN, FOLLOWS = "ok", "warn", "bad", "unknown", "follows"
SILENT_DEVICE = timedelta(hours=1)
RECENT = timedelta(days=1)
TOGETHER = timedelta(minutes=10)
"""What was rejected while this old readings were stored does not explain that there are none."""


class Action(Struct, frozen=True):
    """A next action: what it is called, and the page that it leads to with that page's key."""

    label: str
    page: str
    key: Any = None


class Check(Struct, frozen=True):
    """One step. `kind` is shown as an icon with a word. `evidence`: names and values. `failure`:
    the texts, where it fails or may."""

    name: str
    kind: str
    text: str
    failure: Failure = Failure("")
    evidence: list[tuple[str, Any]] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    @property
    def state(self) -> str:
        """The state in a word."""
        return {
            OK: _("Passed"), WARN: _("Look"), BAD: _("Fails here"), UNKNOWN: _("Not known"),
            FOLLOWS: _("Follows"),
        }[self.kind]  # fmt: skip


def is_silent(facts: Facts) -> bool:
    """Whether there is a question at all: nothing new of the gateway, or of the device."""
    if not facts.gateway.is_online:
        return True
    if facts.device is None:
        return False
    newest_at = facts.newest_at
    return newest_at is None or facts.now - newest_at > SILENT_DEVICE


def check_last_message(facts: Facts) -> Check:
    """The symptom: when something of it was seen last."""
    newest_at, seen_at = facts.newest_at, facts.gateway.last_seen
    if seen_at is None:
        text = _("No message of this gateway was ever stored.")
    else:
        values = {"age": describe_since(facts, seen_at), "at": write_instant(seen_at)}
        text = _("Heard %(age)s, at %(at)s.") % values
    if newest_at is not None:
        text += " " + _("Newest reading: %(at)s.") % {"at": write_instant(newest_at)}
    elif facts.device is not None:
        text += " " + _("No reading of this device was ever stored.")
    return Check(_("Last message"), WARN if is_silent(facts) else OK, text)


def check_certificate(facts: Facts) -> Check:
    """Whether the broker would let it in."""
    name, certificate, mac = _("Certificate"), facts.certificate, facts.gateway.mac
    issue = [Action(_("Issue a certificate"), "certificates", mac)]
    if certificate is None:
        if not facts.waits_for_certificate:
            return Check(name, OK, _("None was issued here: it signs in with a password."))
        return Check(
            name, BAD, _("It asks for its first certificate, and nobody has decided."),
            FAILURES["enrolment"], actions=[Action(_("Decide enrolments"), "enrolments", mac)],
        )  # fmt: skip
    if certificate.revoked_at is not None:
        text = _("Revoked at %(at)s; no other was issued.")
        text %= {"at": write_instant(certificate.revoked_at)}
        return Check(name, BAD, text, FAILURES["revoked"], actions=issue)
    values = {"at": write_instant(certificate.not_after), "name": certificate.common_name}
    if certificate.not_after <= facts.now:
        return Check(name, BAD, _("Ended at %(at)s.") % values, FAILURES["ended"], actions=issue)
    return Check(name, OK, _("Valid until %(at)s, not revoked. Names %(name)s.") % values)


def check_session(facts: Facts) -> Check:
    """Whether it is connected, as far as that is known: the broker tells of messages and wills."""
    name, gateway, event = _("Broker session"), facts.gateway, facts.event
    if facts.broker is not None and not facts.broker.bridges_ready:
        text = _("No bridge of this system reads from the broker.")
        return Check(name, BAD, text, FAILURES["no_bridge"])
    if gateway.is_online:
        if event is None or event.kind != "online":
            return Check(name, OK, _("Online."))
        return Check(name, OK, _("Online since %(at)s.") % {"at": write_instant(event.at)})
    heard_at = _find_sign(facts)
    if heard_at is not None and _is_news(facts, heard_at):
        text = _("It is connected: something of it was refused or rejected %(age)s.")
        return Check(name, OK, text % {"age": describe_since(facts, heard_at)})
    evidence = [(_("MAC"), gateway.mac)]
    if event is not None:
        last = f"{event.get_kind_display()}, {write_instant(event.at)}"
        evidence.append((_("Last event"), last))
    if gateway.last_seen is None:
        text = _("Nothing of this MAC was ever received.")
        actions = [Action(_("Correct the gateway"), "gateway", gateway.pk)]
        return Check(name, BAD, text, FAILURES["never_seen"], evidence, actions)
    text = _("Nothing of it has arrived since %(at)s, not even something to refuse.")
    text %= {"at": write_instant(gateway.last_seen)}
    return Check(name, BAD, text, FAILURES["silent"], evidence)


def check_refused(facts: Facts) -> Check:
    """What the broker refused this gateway's user."""
    name = _("Refused publishes")
    if facts.broker is None:
        return Check(name, UNKNOWN, _("Redis does not answer."))
    denials = facts.broker.denials
    if not denials:
        return Check(name, OK, _("The broker refused it nothing."))
    count, at = sum(denial.count for denial in denials), read_instant(denials[0].at)
    text = ngettext(
        "%(count)d refused so far, the last %(age)s.",
        "%(count)d refused so far, the last %(age)s.",
        count,
    ) % {"count": count, "age": describe_since(facts, at)}
    if not _is_news(facts, at):
        return Check(name, OK, text)
    evidence = [
        (denial.kind, f"{denial.count}, {write_instant(read_instant(denial.at))}")
        for denial in denials
    ]
    change = [Action(_("Change the MAC"), "gateway", facts.gateway.pk)]
    return Check(name, BAD, text, FAILURES["refused"], evidence, change)


def check_registration(facts: Facts) -> Check:
    """Whether gateway, account and devices are in service."""
    name, gateway, device = _("Registration"), facts.gateway, facts.device
    open_gateway = [Action(_("Open the gateway"), "gateway", gateway.pk)]
    if not facts.account.is_active:
        text = _("The account %(account)s is deactivated.") % {"account": facts.account.name}
        actions = [Action(_("Open the account"), "account", facts.account.pk)]
        return Check(name, BAD, text, FAILURES["account"], actions=actions)
    if not gateway.is_active:
        text = _("The gateway is deactivated: what it sends becomes dead letters.")
        return Check(name, BAD, text, FAILURES["inactive"], actions=open_gateway)
    if device is not None and not device.is_active:
        text = _("The device is deactivated: its readings become dead letters.")
        actions = [Action(_("Open the device"), "device", device.pk)]
        return Check(name, BAD, text, FAILURES["inactive_device"], actions=actions)
    if not facts.devices:
        text = _("No device is registered behind it: its readings become dead letters.")
        return Check(name, BAD, text, FAILURES["no_devices"], actions=open_gateway)
    count = len(facts.devices)
    text = ngettext("Active, with %(count)d device.", "Active, with %(count)d devices.", count)
    return Check(name, OK, _("Active.") if device else text % {"count": count})


def check_dead_letters(facts: Facts) -> Check:
    """What of it arrived and was rejected, by reason."""
    name, rejected = _("Dead letters"), facts.rejected
    if not rejected:
        return Check(name, OK, _("None waits: nothing of it was rejected."))
    newest = max(rejected, key=lambda one: one.last_seen)
    is_later = facts.newest_at is None or newest.last_seen - TOGETHER > facts.newest_at
    is_cause = is_later and facts.now - newest.last_seen < RECENT
    parts = ", ".join(f"{name_reason(one.reason)} {one.messages}" for one in rejected)
    values = {"reasons": parts, "age": describe_since(facts, newest.last_seen)}
    headline = _("%(subject)s sends, but what arrives is rejected: %(reason)s") % {
        "subject": "%(device)s" if facts.device is not None else "%(gateway)s",
        "reason": str(name_reason(newest.reason)).replace("%", "%%"),
    }
    next_step = str(NEXT_STEPS.get(newest.reason, "")).replace("%", "%%")
    return Check(
        name,
        BAD if is_cause else WARN,
        _("%(reasons)s. The last %(age)s.") % values,
        Failure(headline, next_step, NOT_LOST),
        [(str(name_reason(one.reason)), describe_detail(one.detail)) for one in rejected],
        [Action(_("Open the dead letters"), "dead_letters", newest)],
    )


def write_instant(at: datetime) -> str:
    """An instant in the page's time zone."""
    return date_format(timezone.localtime(at), "DATETIME_FORMAT")


def describe_since(facts: Facts, at: datetime) -> str:
    """How long ago, at the time of the facts."""
    return describe_age(at, now=facts.now)


def read_instant(seconds: float) -> datetime:
    """Unix seconds as an instant."""
    return datetime.fromtimestamp(seconds, UTC)


def _find_sign(facts: Facts) -> datetime | None:
    """The newest sign of it that is no stored message: something refused or rejected."""
    times = [one.last_seen for one in facts.rejected]
    if facts.broker is not None:
        times += [read_instant(denial.at) for denial in facts.broker.denials]
    return max(times, default=None)


def _is_news(facts: Facts, at: datetime) -> bool:
    """Whether it happened lately, and after the last message."""
    seen_at = facts.gateway.last_seen
    return facts.now - at < RECENT and (seen_at is None or at > seen_at)
