"""Statements: what devices of an account consumed between two instants, with the evidence.

Values are as of the last refresh, and live: what came after a month was closed is in them.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from django.db import connection
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import Struct
from msgspec.structs import replace

from telemetry.core.zones import Zone, read_zone
from telemetry.models import Edit, Finding
from telemetry.store.billing.statement_devices import (
    DeviceStatement,
    StatementError,
    StatementQuestion,
    count_devices,
)
from telemetry.store.billing.virtual_statement import VirtualStatement, find_virtual_meter
from telemetry.store.db.sql import Queries
from telemetry.store.reads.freshness import read_freshness


class Sql(Queries):
    account: LiteralString
    closed_months: LiteralString


LONGEST = timedelta(days=1_860)
MOST_EVENTS = 500  # edits, and findings
EDITORS = ("requested_by", "decided_by", "undo_requested_by", "undone_by")


class StatementTotal(Struct):
    """All devices with one unit."""

    unit: str
    devices_count: int = 0
    total: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)

    @property
    def estimated_share(self) -> Decimal | None:
        """The estimated part of the total, 0 to 1; None where there is none."""
        return self.estimated / self.total if self.total else None


class Statement(Struct, frozen=True):
    """A statement. `refreshed_at`: as of when its values are; `closed_months`: by their first days,
    of which it has a part; `edits`, `findings`: in its time, at most `MOST_EVENTS` of each;
    `virtual`: the virtual meter that its devices are parts of, if it is about one."""

    since: datetime
    until: datetime
    time_zone: str
    refreshed_at: datetime | None
    devices: list[DeviceStatement]
    totals: list[StatementTotal]
    closed_months: list[date]
    edits: list[Edit]
    findings: list[Finding]
    virtual: VirtualStatement | None = None

    @property
    def edit_ids(self) -> list[int]:
        """The ids of its edits."""
        return [edit.pk for edit in self.edits]

    @property
    def finding_ids(self) -> list[int]:
        """The ids of its findings."""
        return [finding.pk for finding in self.findings]


def read_statement(question: StatementQuestion) -> Statement:
    """Make a statement. Raises `StatementError`."""
    account_id = question.account_id
    [(zones, dropped_before)] = _fetch(Sql.account, {"account": account_id})
    zone = read_zone(zones)
    since, until = question.since.astimezone(UTC), question.until.astimezone(UTC)
    _check(since, until, dropped_before=dropped_before, zone=zone)
    question = replace(question, since=since, until=until)
    virtual = None
    if question.virtual_id is not None:
        virtual = find_virtual_meter(account_id, question.virtual_id)
        question = replace(question, device_ids=tuple(virtual.signs), gateway_id=None, group=None)
    rows = count_devices(question, zone)
    ids = sorted({row.device_id for row in rows})
    period = {"account": account_id, "since": since, "until": until}
    return Statement(
        since,
        until,
        zone.key,
        read_freshness(account_id).refreshed_at,
        rows,
        sum_devices(rows),
        [month for (month,) in _fetch(Sql.closed_months, period)],
        _find_edits(account_id, ids, since, until),
        _find_findings(account_id, ids, since, until),
        virtual and virtual.count(rows),
    )


def sum_devices(rows: Sequence[DeviceStatement]) -> list[StatementTotal]:
    """Totals by unit."""
    totals: dict[str, StatementTotal] = {}
    for row in rows:
        of = totals.setdefault(row.unit, StatementTotal(row.unit))
        of.devices_count += 1
        of.total += row.total
        of.estimated += row.estimated
    return [totals[unit] for unit in sorted(totals)]


def _check(
    since: datetime, until: datetime, *, dropped_before: datetime | None, zone: Zone
) -> None:
    def write(at: datetime) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} ({zone.key})"

    if until <= since:
        text = _("the end %(until)s is not after the start %(since)s: expected a later one")
        raise StatementError("until", text % {"until": write(until), "since": write(since)})
    if until > timezone.now():
        text = _("the end %(until)s is yet to come: expected an instant that is past")
        raise StatementError("until", text % {"until": write(until)})
    if until - since > LONGEST:
        text = _("from %(since)s to %(until)s is too long: expected at most %(days)d days")
        values = {"since": write(since), "until": write(until), "days": LONGEST.days}
        raise StatementError("since", text % values)
    if dropped_before is not None and since < dropped_before:
        text = _("values before %(at)s were dropped, as retention says: expected a later start")
        raise StatementError("since", text % {"at": write(dropped_before)})


def _find_edits(
    account_id: int, device_ids: list[int], since: datetime, until: datetime
) -> list[Edit]:
    rows = Edit.objects.filter(
        account_id=account_id,
        device_id__in=device_ids,
        state__in=(Edit.State.APPLIED, Edit.State.UNDO_WAITING),
        until__gt=since,
        since__lte=until,
    )
    return list(rows.select_related(*EDITORS).order_by("since", "pk")[:MOST_EVENTS])


def _find_findings(
    account_id: int, device_ids: list[int], since: datetime, until: datetime
) -> list[Finding]:
    rows = Finding.objects.filter(
        Q(until__gt=since) | Q(until=None), account_id=account_id, device_id__in=device_ids,
        since__lt=until,
    )  # fmt: skip
    rows = rows.exclude(state=Finding.State.GONE).select_related("decided_by")
    return list(rows.order_by("since", "pk")[:MOST_EVENTS])


def _fetch(statement: LiteralString, parameters: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
