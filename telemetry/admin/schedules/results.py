"""What a task returned, in words. Tests hold that every task of the schedule has them."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from telemetry.core.batch import (
    APPLY_RETENTION_TASK,
    CHECK_CERTIFICATES_TASK,
    COMPARE_ZONES_TASK,
    DELIVER_ALARMS_TASK,
    EVALUATE_ALARMS_TASK,
    EVALUATE_FINDINGS_TASK,
    EVALUATE_RULES_TASK,
    MARK_OFFLINE_TASK,
    PURGE_LEDGER_TASK,
    REFRESH_TASK,
    REPLAY_WAITING_TASK,
    REQUEUE_TASK,
    SEND_REPORTS_TASK,
    SUMMARISE_TASK,
    VERIFY_TASK,
)

SHOWN_PROBLEMS = 3
Write = Callable[[int], str]

PARTS: dict[str, dict[str, Write]] = {
    REQUEUE_TASK: {
        "requeued": lambda n: ngettext(
            "%(n)s batch offered again", "%(n)s batches offered again", n
        ),
        "held": lambda n: ngettext("%(n)s batch put aside", "%(n)s batches put aside", n),
        "pending": lambda n: ngettext("%(n)s batch pending", "%(n)s batches pending", n),
    },
    MARK_OFFLINE_TASK: {
        "offline": lambda n: ngettext("%(n)s gateway set offline", "%(n)s gateways set offline", n),
        "skipped": lambda _n: _("not judged: messages are late on our side"),
    },
    EVALUATE_ALARMS_TASK: {
        "opened": lambda n: ngettext("%(n)s alarm opened", "%(n)s alarms opened", n),
        "closed": lambda n: ngettext("%(n)s alarm closed", "%(n)s alarms closed", n),
        "behind": lambda n: ngettext("%(n)s device is behind", "%(n)s devices are behind", n),
    },
    EVALUATE_RULES_TASK: {
        "raised": lambda n: ngettext("%(n)s alarm raised", "%(n)s alarms raised", n),
        "cleared": lambda n: ngettext("%(n)s alarm cleared", "%(n)s alarms cleared", n),
        "escalated": lambda n: ngettext("%(n)s alarm escalated", "%(n)s alarms escalated", n),
        "rules": lambda n: ngettext("%(n)s rule evaluated", "%(n)s rules evaluated", n),
    },
    DELIVER_ALARMS_TASK: {
        "sent": lambda n: ngettext("%(n)s message sent", "%(n)s messages sent", n),
        "failed": lambda n: ngettext("%(n)s failed, tried again", "%(n)s failed, tried again", n),
        "given_up": lambda n: ngettext("%(n)s given up", "%(n)s given up", n),
    },
    CHECK_CERTIFICATES_TASK: {
        "signed": lambda n: ngettext("%(n)s certificate signed", "%(n)s certificates signed", n),
        "written": lambda _n: _("the list of revoked certificates was written"),
    },
    REFRESH_TASK: {
        "hours": lambda n: ngettext("%(n)s hour computed", "%(n)s hours computed", n),
        "days": lambda n: ngettext("%(n)s day", "%(n)s days", n),
        "months": lambda n: ngettext("%(n)s month", "%(n)s months", n),
        "frozen": lambda n: ngettext("%(n)s frozen hour left", "%(n)s frozen hours left", n),
        "adjusted": lambda n: ngettext("%(n)s adjustment", "%(n)s adjustments", n),
    },
    EVALUATE_FINDINGS_TASK: {
        "found": lambda n: ngettext(
            "%(n)s finding new or changed", "%(n)s findings new or changed", n
        ),
        "gone": lambda n: ngettext("%(n)s finding gone", "%(n)s findings gone", n),
        "hours": lambda n: ngettext("%(n)s hour looked at", "%(n)s hours looked at", n),
    },
    REPLAY_WAITING_TASK: {
        "replayed": lambda n: ngettext(
            "%(n)s dead letter sent again", "%(n)s dead letters sent again", n
        ),
    },
    PURGE_LEDGER_TASK: {
        "folded": lambda n: ngettext("%(n)s ledger row folded", "%(n)s ledger rows folded", n),
        "runs": lambda n: ngettext("%(n)s old run forgotten", "%(n)s old runs forgotten", n),
    },
    APPLY_RETENTION_TASK: {
        "readings": lambda n: ngettext("%(n)s reading dropped", "%(n)s readings dropped", n),
        "aggregates": lambda n: ngettext("%(n)s aggregate dropped", "%(n)s aggregates dropped", n),
        "compressed": lambda n: ngettext("%(n)s chunk compressed", "%(n)s chunks compressed", n),
        "left": lambda n: ngettext(
            "%(n)s step left for the next turn", "%(n)s steps left for the next turn", n
        ),
    },
    SUMMARISE_TASK: {
        "difference": lambda n: ngettext(
            "%(n)s message is not accounted for", "%(n)s messages are not accounted for", n
        ),
        "waiting": lambda n: ngettext("%(n)s dead letter waits", "%(n)s dead letters wait", n),
        "received": lambda n: ngettext(
            "%(n)s message received so far", "%(n)s messages received so far", n
        ),
    },
    SEND_REPORTS_TASK: {
        "sent": lambda n: ngettext("%(n)s report sent", "%(n)s reports sent", n),
        "failed": lambda n: ngettext("%(n)s failed, tried again", "%(n)s failed, tried again", n),
        "waiting": lambda n: ngettext("%(n)s report waits", "%(n)s reports wait", n),
    },
    COMPARE_ZONES_TASK: {
        "zones": lambda n: ngettext("%(n)s time zone differs", "%(n)s time zones differ", n),
    },
    VERIFY_TASK: {
        "differences": lambda n: ngettext("%(n)s row differs", "%(n)s rows differ", n),
        "hours": lambda n: ngettext("%(n)s hour compared", "%(n)s hours compared", n),
        "days": lambda n: ngettext("%(n)s day", "%(n)s days", n),
        "months": lambda n: ngettext("%(n)s month", "%(n)s months", n),
    },
}
"""Numbers of a result that are parts_shown, the most important first. A number of zero is not."""


def describe_result(task: str, result: Mapping[str, Any]) -> str:
    """What a run did; of a task that is not ours, what it returned."""
    if result.get("busy"):
        return _("Another run was active, so this one did nothing.")
    parts = PARTS.get(task)
    if parts is None:
        return ", ".join(f"{name}: {value}" for name, value in result.items())
    parts_shown = [
        write(_round(result[name])) % {"n": number_format(result[name], force_grouping=True)}
        for name, write in parts.items()
        if result.get(name)
    ]
    parts_shown += [str(result[name]) for name in ("waits", "unavailable") if result.get(name)]
    problems = [str(one) for one in result.get("problems", ())]
    parts_shown += problems[:SHOWN_PROBLEMS]
    return "; ".join(parts_shown) if parts_shown else _("There was nothing to do.")


def _round(value: Any) -> int:
    return abs(int(value))
