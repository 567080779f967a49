"""Move a gateway, with its devices, to another account from an instant on; undo the last move.

Every function raises `AssignmentError`, whose text is for people; nothing has changed then.
Triggers let the readings of that time follow (`telemetry/sql/schema/fleet.sql`), and the next
refresh computes their hours again; a closed month keeps what was billed, and the difference becomes
an adjustment.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from telemetry.models import Account, Assignment, Edit, Finding, Gateway
from telemetry.store.assignments.preview import MoveEffect, count_readings, preview_move
from telemetry.store.installations.preview import find_horizon

MOST_READINGS = 500_000
"""A move waits until its readings are written once more: 200,000 took 5 s."""


class AssignmentError(ValueError):
    """A move is refused. The text is one line for people, in their language; `field` is what it is
    about."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def preview(gateway: Gateway, account: Account, *, since: datetime) -> list[MoveEffect]:
    """What a move would do to the months of both accounts."""
    _check(gateway, account, since)
    return preview_move(
        gateway.pk,
        old_id=gateway.account_id,
        new_id=account.pk,
        since=since.astimezone(UTC),
        until=timezone.now(),
    )


@transaction.atomic
def move_gateway(gateway: Gateway, account: Account, *, since: datetime) -> Assignment:
    """Let a gateway be another account's after `since`."""
    gateway = Gateway.objects.select_for_update().get(pk=gateway.pk)
    _check(gateway, account, since)
    old_id = gateway.account_id
    gateway.account = account
    gateway.save()  # a trigger enters the assignment, as of now
    assignment = list_assignments(gateway)[0]
    assignment.since = since
    assignment.save(update_fields=["since"])
    _end_findings(gateway, account_id=old_id, since=since)
    return assignment


@transaction.atomic
def undo_move(assignment: Assignment) -> None:
    """Let the account before have the gateway, as if it had never moved. Only of its last move."""
    gateway = Gateway.objects.select_for_update().get(pk=assignment.gateway_id)
    last, *before = list_assignments(gateway)
    if assignment.since is None or assignment.pk != last.pk or not before:
        raise AssignmentError(
            "since",
            _("%(gateway)s: this is not its last move, which alone can be undone")
            % {"gateway": gateway},
        )
    _check_readings(gateway, gateway.account, assignment.since)
    old_id = gateway.account_id
    gateway.account = before[0].account
    gateway.save()  # a trigger enters an assignment, which goes with the one that is undone
    Assignment.objects.filter(gateway=gateway, since__gte=assignment.since).delete()
    _end_findings(gateway, account_id=old_id, since=assignment.since)


def list_assignments(gateway: Gateway) -> list[Assignment]:
    """Of a gateway, the last one first; nothing when it never moved."""
    return list(Assignment.objects.filter(gateway=gateway).select_related("account"))


def describe_move(gateway: Gateway, account: Account, since: datetime) -> str:
    """The gateway, the instant by the clock of the account that has it, and where it goes."""
    return f"{gateway.account.name} / {gateway.code}, {_write(since, gateway)}: {account.name}"


def _check(gateway: Gateway, account: Account, since: datetime) -> None:
    """Raise `AssignmentError` with the first thing that hinders a move."""
    for field, problem in _find_problems(gateway, account, since):
        raise AssignmentError(field, f"{describe_move(gateway, account, since)}: {problem}")
    _check_readings(gateway, account, since)


def _find_problems(
    gateway: Gateway, account: Account, since: datetime
) -> Iterator[tuple[str, str]]:
    if account.pk == gateway.account_id:
        yield "account", _("the gateway is this account's already")
    if Gateway.objects.filter(account=account, code=gateway.code).exclude(pk=gateway.pk).exists():
        yield (
            "account",
            _("the account has a gateway %(code)s already: change the code of one of them")
            % {"code": gateway.code},
        )
    if since > timezone.now():
        yield "since", _("this instant is yet to come: enter the move once it was made")
    hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if hour != since:
        yield (
            "since",
            _("a gateway moves on a full hour of UTC, as hours are counted whole: take %(hour)s")
            % {"hour": _write(hour, gateway)},
        )
    last = next(iter(list_assignments(gateway)), None)
    if last is not None and last.since is not None and since <= last.since:
        yield (
            "since",
            _("the gateway moved at %(then)s already: take a later instant, or undo that move")
            % {"then": _write(last.since, gateway)},
        )
    horizon = find_horizon()
    if horizon is not None and since < horizon:
        yield (
            "since",
            _("readings before %(horizon)s were dropped, so nothing there can be computed again")
            % {"horizon": _write(horizon, gateway)},
        )


def _check_readings(gateway: Gateway, account: Account, since: datetime) -> None:
    """Raise `AssignmentError` when the readings after an instant cannot follow."""
    what = describe_move(gateway, account, since)
    edit = (
        Edit.objects.filter(device__gateway=gateway, until__gt=since)
        .exclude(state__in=(Edit.State.REJECTED, Edit.State.UNDONE))
        .order_by("pk")
        .first()
    )
    if edit is not None:
        text = _("edit #%(edit)d is of readings after this instant: undo it first")
        raise AssignmentError("since", f"{what}: {text % {'edit': edit.pk}}")
    if count_readings(gateway.pk, since=since, most=MOST_READINGS + 1) > MOST_READINGS:
        text = _("more than %(most)d readings would have to follow: take a later instant")
        raise AssignmentError("since", f"{what}: {text % {'most': MOST_READINGS}}")


def _end_findings(gateway: Gateway, *, account_id: int, since: datetime) -> None:
    """What was found in hours that are another account's now is found there."""
    rows = Finding.objects.filter(
        account_id=account_id, device__gateway=gateway, since__gte=since, state=Finding.State.OPEN
    )
    rows.update(state=Finding.State.GONE, changed_at=timezone.now())


def _write(at: datetime, gateway: Gateway) -> str:
    zone = gateway.account.time_zone
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} ({zone})"
