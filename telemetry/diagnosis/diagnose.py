"""The answer: the first check that fails, in a sentence."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.diagnosis.checks import (
    BAD,
    OK,
    WARN,
    Action,
    Check,
    check_certificate,
    check_dead_letters,
    check_last_message,
    check_refused,
    check_registration,
    check_session,
    is_silent,
    write_instant,
)
from telemetry.diagnosis.facts import Facts
from telemetry.diagnosis.inside import (
    check_aggregates,
    check_device,
    check_findings,
    check_guard,
    check_rate,
)
from telemetry.web.formatting import describe_age

ARRIVAL = (
    check_last_message, check_certificate, check_session, check_refused, check_registration,
    check_dead_letters, check_rate, check_guard,
)  # fmt: skip


class Row(Struct, frozen=True):
    """A check as it is shown. `is_open`: with evidence and next step; `follows`: after the one that
    fails. `actions`: labels and addresses."""

    number: int
    check: Check
    is_open: bool
    follows: bool
    next_step: str
    loss: str
    actions: list[tuple[str, str]]


class Diagnosis(Struct, frozen=True):
    """`number` is that of the check that fails, from 1; 0: none does. `installer`: a text that can
    be sent to who stands at the gateway."""

    kind: str
    headline: str
    number: int
    rows: list[Row]
    installer: str


def diagnose(facts: Facts, find_link: Callable[[Action], str]) -> Diagnosis:
    """Run the checks. What fails first is the diagnosis: what comes after it follows from it.

    `find_link` gives the address of an action, or nothing where it may not be done; then its next
    step still says in words what somebody else must do.
    """
    of_device = (check_device,) if facts.device is not None else ()
    steps = (*ARRIVAL, *of_device, check_findings, check_aggregates)
    checks = [check(facts) for check in steps]
    number = next((at for at, check in enumerate(checks, 1) if check.kind == BAD), 0)
    names = _list_names(facts)
    rows = [
        _make_row(at, check, failing=number, names=names, find_link=find_link)
        for at, check in enumerate(checks, 1)
    ]
    if not number:
        kind = WARN if is_silent(facts) else OK
        return Diagnosis(kind, _describe_well(facts, names), 0, rows, "")
    failure = checks[number - 1].failure
    headline, installer = str(failure.headline) % names, str(failure.installer) % names
    return Diagnosis(BAD, headline, number, rows, installer)


def _make_row(
    number: int,
    check: Check,
    *,
    failing: int,
    names: dict[str, Any],
    find_link: Callable[[Action], str],
) -> Row:
    return Row(
        number,
        check,
        is_open=number == failing,
        follows=bool(failing) and number > failing,
        next_step=str(check.failure.next_step) % names,
        loss=str(check.failure.loss) % names,
        actions=[(action.label, link) for action in check.actions if (link := find_link(action))],
    )


def _describe_well(facts: Facts, names: dict[str, Any]) -> str:
    newest_at = facts.newest_at
    if newest_at is None:
        return _("Nothing fails here, but there is no reading yet")
    age = describe_age(newest_at, now=facts.now)
    if is_silent(facts):
        text = _("Nothing fails here; the last reading came %(age)s")
    else:
        text = _("%(subject)s sends and everything arrives; last reading %(age)s")
    subject = names["device"] if facts.device is not None else names["gateway"]
    return text % {"subject": subject, "age": age}


def _list_names(facts: Facts) -> dict[str, Any]:
    gateway, device, seen_at = facts.gateway, facts.device, facts.gateway.last_seen
    return {
        "gateway": gateway.code,
        "device": str(device) if device is not None else gateway.code,
        "mac": gateway.mac,
        "at": write_instant(seen_at) if seen_at else "",
    }
