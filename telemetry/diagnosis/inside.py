"""The checks of what happens inside this system: limits, the guard, findings, aggregates."""

from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from telemetry.diagnosis.checks import (
    BAD,
    FOLLOWS,
    OK,
    UNKNOWN,
    WARN,
    Action,
    Check,
    describe_since,
    is_silent,
)
from telemetry.diagnosis.facts import Facts
from telemetry.diagnosis.texts import FAILURES
from telemetry.models import Finding

LIMITED = timedelta(minutes=10)
LATE_S = 120.0
STALE = timedelta(minutes=5)


def check_rate(facts: Facts) -> Check:
    """Whether it sent more than it may."""
    name = _("Rate limit")
    if facts.broker is None:
        return Check(name, UNKNOWN, _("Redis does not answer."))
    at = facts.broker.limited_at
    if at is None:
        return Check(name, OK, _("Not limited within the last day."))
    text = _("Messages above the limit were rejected; the last %(age)s.")
    is_cause = facts.now - at < LIMITED and is_silent(facts)
    kind = BAD if is_cause else WARN
    return Check(name, kind, text % {"age": describe_since(facts, at)}, FAILURES["limited"])


def check_guard(facts: Facts) -> Check:
    """Whether batches are set aside, or wait."""
    name, broker = _("Guard and queue"), facts.broker
    if broker is None:
        return Check(name, UNKNOWN, _("Redis does not answer."))
    kind = BAD if is_silent(facts) else WARN
    if broker.guard:
        text = ngettext(
            "%(count)d batch is set aside.", "%(count)d batches are set aside.", broker.held
        ) % {"count": broker.held}
        return Check(name, kind, text, FAILURES["guard"], [(_("Why"), broker.guard)])
    if broker.pending_s > LATE_S:
        text = _("Messages wait to be stored, the oldest for %(minutes)d minutes.")
        return Check(name, kind, text % {"minutes": broker.pending_s // 60}, FAILURES["late"])
    return Check(name, OK, _("No batch is set aside; nothing waits long."))


def check_device(facts: Facts) -> Check:
    """Whether the gateway sends anything of the device."""
    name, device = _("Readings of the device"), facts.device
    if not facts.gateway.is_online:
        return Check(name, FOLLOWS, _("Nothing of the gateway arrives."))
    if not is_silent(facts) or device is None:
        return Check(name, OK, _("The gateway sends it."))
    text = _("The gateway sends, but nothing of this device arrives.")
    actions = [Action(_("Open the device"), "device", device.pk)]
    return Check(name, BAD, text, FAILURES["device"], [(_("Code"), device.code)], actions)


def check_findings(facts: Facts) -> Check:
    """What the validation rules say."""
    name = _("Findings")
    if not facts.findings:
        return Check(name, OK, _("None is open."))
    text = "; ".join(f"{one.device.code}: {one.get_rule_display()}" for one in facts.findings)
    if all(one.rule == Finding.Rule.SILENT for one in facts.findings):
        return Check(name, FOLLOWS, text)
    return Check(name, WARN, text, actions=[Action(_("Decide findings"), "findings")])


def check_aggregates(facts: Facts) -> Check:
    """Whether charts show what is stored."""
    name, at = _("Aggregates"), facts.refreshed_at
    if at is None:
        return Check(name, BAD, _("Never computed."), FAILURES["aggregates"])
    text = _("Computed %(age)s.") % {"age": describe_since(facts, at)}
    if facts.now - at < STALE:
        return Check(name, OK, text)
    return Check(name, BAD, text, FAILURES["aggregates"])
