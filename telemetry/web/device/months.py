"""The billing months of a device with the adjustments since they were closed, and the edits and
changes of meter behind these."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from msgspec import Struct

from telemetry.models import Device, Edit, Installation, MonthAdjustment, MonthlyConsumption

MOST_MONTHS = 24
MOST_ADJUSTMENTS = 200
LEAST_COVERAGE = Decimal("0.5")


class Adjustment(Struct, frozen=True):
    """A line of a closed month, and what caused it. `causes`: in words, what is neither an edit nor
    a change of the meter nor a move of the gateway."""

    line: MonthAdjustment
    edits: Sequence[Edit]
    changes: Sequence[Installation]
    causes: Sequence[str]


class Month(Struct, frozen=True):
    """A month and its adjustments, oldest first; with the closed total they are the live total.

    `before`: the total of the month before, None where it misses half of its readings. `width`: of
    the bar, in percent. `is_current`: the month goes on.
    """

    consumption: MonthlyConsumption
    adjustments: Sequence[Adjustment]
    before: Decimal | None = None
    width: int = 0
    is_current: bool = False


def list_months(account_id: int, *, device: Device, current: date) -> list[Month]:
    """The newest 24; `current` begins on that day. Two queries, more where edits or
    changes of meter caused adjustments."""
    months = list(
        MonthlyConsumption.objects.filter(account_id=account_id, device_id=device.pk).order_by(
            "-month"
        )[:MOST_MONTHS]
    )
    if not months:
        return []
    lines = MonthAdjustment.objects.filter(
        account_id=account_id, device=device, month__gte=months[-1].month
    ).order_by("month", "recorded_at", "pk")[:MOST_ADJUSTMENTS]
    by_month: dict[object, list[Adjustment]] = defaultdict(list)
    for adjustment in explain_adjustments(account_id, lines):
        by_month[adjustment.line.month].append(adjustment)
    totals = {
        month.month_end: month.total for month in months if (month.coverage or 0) >= LEAST_COVERAGE
    }
    most = max((month.total or Decimal() for month in months), default=Decimal())
    return [
        Month(
            month,
            by_month[month.month],
            totals.get(month.month),
            round(100 * max(month.total or Decimal(), Decimal()) / most) if most > 0 else 0,
            month.month == current,
        )
        for month in months
    ]


def explain_adjustments(account_id: int, lines: Iterable[MonthAdjustment]) -> list[Adjustment]:
    """Lines with the edits and the changes of meter that caused them. A query for either, if any
    did."""
    found = list(lines)
    ids = {edit_id for line in found for edit_id in line.edit_ids}
    edits: dict[int, Edit] = {}
    if ids:
        rows = Edit.objects.filter(account_id=account_id)
        edits = rows.select_related("requested_by", "undone_by").in_bulk(ids)
    changed_ids = {one for line in found for one in line.installation_ids}
    changes: dict[int, Installation] = {}
    if changed_ids:
        changed = Installation.objects.select_related("created_by", "undone_by")
        changes = changed.in_bulk(changed_ids)
    return [
        Adjustment(
            line,
            [edits[edit_id] for edit_id in line.edit_ids if edit_id in edits],
            [changes[one] for one in line.installation_ids if one in changes],
            _name_causes(line),
        )
        for line in found
    ]


def _name_causes(line: MonthAdjustment) -> list[str]:
    """Late readings where nothing is known: a line of before causes were kept."""
    causes = line.causes
    if not (causes or line.edit_ids or line.installation_ids or line.moved_at):
        causes = [MonthAdjustment.Cause.READINGS]
    return [str(MonthAdjustment.Cause(cause).label) for cause in causes]
