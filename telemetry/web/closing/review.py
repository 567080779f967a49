"""What the page of a billing month shows: sums, devices, what is silent, what waits."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Q
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.core.findings import silence_limit
from telemetry.models import Account, ClosedMonth, Edit, Finding, MonthAdjustment
from telemetry.store.billing.closing import find_hindrance, read_fingerprint
from telemetry.store.billing.review import MonthLine, UnitSum, read_month_lines, sum_lines
from telemetry.web.charts.calendar import Calendar
from telemetry.web.device.months import Adjustment, explain_adjustments

MOST_ADJUSTMENTS = 500
MOST_FINDINGS = 200
MOST_EDITS = 200


class DeviceRow(Struct, frozen=True):
    """A device of the month. `silent_since`: it sent nothing from then to the month's end."""

    line: MonthLine
    silent_since: datetime | None

    @property
    def change(self) -> Decimal | None:
        """How much more or less than in the month before, 1 for twice as much."""
        before = self.line.before
        if not before or self.line.total is None:
            return None
        return (self.line.total - before) / abs(before)

    @property
    def is_flagged(self) -> bool:
        """Whether somebody should look before the month is closed."""
        return self.silent_since is not None or bool(self.line.quality)


class Review(Struct, frozen=True):
    """A billing month [month, month_end) of an account.

    `hindrance`: why it cannot be closed now, for people; empty when it can. `to_settle`:
    adjustments of earlier months that are, or will be, billed with it. `since`: its own, after it
    was closed. `edits`: of readings in it, that count, at most `MOST_EDITS`.
    `fingerprint`: of the totals, read before them.
    """

    month: date
    month_end: date
    starts_at: datetime
    ends_at: datetime
    closed: ClosedMonth | None
    sums: list[UnitSum]
    rows: list[DeviceRow]
    findings: Sequence[Finding]
    waiting_edits: int
    edits: Sequence[Edit]
    hindrance: str
    fingerprint: str
    to_settle: Sequence[Adjustment]
    since: Sequence[Adjustment]

    @property
    def silent(self) -> list[DeviceRow]:
        """The devices that are silent at the month's end."""
        return [row for row in self.rows if row.silent_since is not None]

    @property
    def flagged(self) -> int:
        """How many devices somebody should look at."""
        return sum(row.is_flagged for row in self.rows)


def review_month(account: Account, *, month: date, calendar: Calendar, now: datetime) -> Review:
    """Everything about a month. Twelve queries at most, whatever the number of devices."""
    month_end = calendar.next_month(month)
    starts_at, ends_at = calendar.start_of(month), calendar.start_of(month_end)
    until = min(now, ends_at)
    is_within = Q(until=None) | Q(until__gt=starts_at)
    findings = Finding.objects.filter(is_within, account=account, state="open", since__lt=ends_at)
    closed = ClosedMonth.objects.filter(account=account, month=month).select_related("closed_by")
    found = closed.first()
    fingerprint = read_fingerprint(account.pk, month=month)
    lines = read_month_lines(account.pk, month=month, until=until)
    rows = [DeviceRow(line, find_silence(line, starts_at=starts_at, until=until)) for line in lines]
    waiting = Edit.objects.filter(
        account=account, state__in=(Edit.State.WAITING, Edit.State.UNDO_WAITING), since__lte=ends_at
    ).count()
    adjustments = MonthAdjustment.objects.filter(account=account).select_related("device")
    # The gateway of a device that moved away is not to be seen: no join.
    adjustments = adjustments.prefetch_related("device__gateway")
    to_settle = (
        adjustments.filter(settled_in=month)
        if found
        else adjustments.filter(settled_in=None, month__lt=month)
    )
    hindrance = "" if found else find_hindrance(account.pk, month=month, now=now)
    if not hindrance and not found and waiting:
        hindrance = _("edits of readings wait for approval: approve or reject them first")
    return Review(
        month,
        month_end,
        starts_at,
        ends_at,
        found,
        sum_lines(lines),
        sorted(rows, key=lambda row: not row.is_flagged),
        list(
            findings.select_related("device")
            .prefetch_related("device__gateway")
            .order_by("since", "pk")[:MOST_FINDINGS]
        ),
        waiting,
        _find_edits(account, since=starts_at, until=ends_at),
        hindrance,
        fingerprint,
        explain_adjustments(account.pk, to_settle.order_by("pk")[:MOST_ADJUSTMENTS]),
        explain_adjustments(
            account.pk, adjustments.filter(month=month).order_by("pk")[:MOST_ADJUSTMENTS]
        ),
    )


def _find_edits(account: Account, *, since: datetime, until: datetime) -> list[Edit]:
    rows = Edit.objects.filter(
        account=account,
        state__in=(Edit.State.APPLIED, Edit.State.UNDO_WAITING),
        until__gt=since,
        since__lte=until,
    )
    rows = rows.select_related("device", "requested_by").prefetch_related("device__gateway")
    return list(rows.order_by("since", "pk")[:MOST_EDITS])


def find_silence(line: MonthLine, *, starts_at: datetime, until: datetime) -> datetime | None:
    """Since when an active device had sent nothing at the month's end; None when it had."""
    if not line.is_active:
        return None
    span = max(until - starts_at, timedelta(hours=1))
    limit = silence_limit(interval_s=line.interval_s, readings_count=line.readings_count, span=span)
    if line.last_at is None:
        return starts_at
    return line.last_at if until - line.last_at > limit else None
