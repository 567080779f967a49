"""In which times a gateway, with its devices, was an account's: others had it before, between, and
after. What happened in these times is theirs: meters, registers, presence."""

from collections.abc import Iterable
from datetime import date, datetime

from msgspec import Struct

from telemetry.store.db.account_scope import look_beyond
from telemetry.store.reads.bounds import fetch_rows

# Assignments of all accounts tell when one of them ended.
OWN_TIMES = """
SELECT gateway_id, nullif(since, '-infinity'), nullif(until, 'infinity') FROM assignment_period
WHERE gateway_id = ANY(%(gateways)s::bigint[]) AND account_id = %(account)s
ORDER BY gateway_id, since
"""

OF_DEVICE = """
SELECT p.gateway_id IS NOT NULL, nullif(p.since, '-infinity'), nullif(p.until, 'infinity'), (
    SELECT min(day) FROM daily_aggregate
    WHERE account_id = %(account)s AND device_id = %(device)s)
FROM (SELECT) one
LEFT JOIN assignment_period p ON p.gateway_id = %(gateway)s AND p.account_id = %(account)s
ORDER BY p.since
"""


class OwnTime(Struct, frozen=True):
    """After `since`, up to and including `until`; None: without an end there."""

    since: datetime | None
    until: datetime | None

    def holds(self, at: datetime) -> bool:
        """Whether an instant is in it, or at one of its ends: a register that is read as a gateway
        moves is both accounts'."""
        return (self.since is None or self.since <= at) and (self.until is None or at <= self.until)

    def overlaps(self, since: datetime, until: datetime) -> bool:
        """Whether it has a part of another time."""
        return (self.since is None or self.since < until) and (
            self.until is None or since < self.until
        )

    def cut(self, since: datetime | None, until: datetime | None) -> "OwnTime | None":
        """What of it is in another time; None: nothing."""
        begins = [at for at in (self.since, since) if at is not None]
        ends = [at for at in (self.until, until) if at is not None]
        begin, end = max(begins, default=None), min(ends, default=None)
        is_empty = begin is not None and end is not None and begin >= end
        return None if is_empty else OwnTime(begin, end)


def is_in(times: Iterable[OwnTime], at: datetime) -> bool:
    """Whether an instant is in one of some times."""
    return any(time.holds(at) for time in times)


def read_own_times(account_id: int, gateway_ids: Iterable[int]) -> dict[int, list[OwnTime]]:
    """By gateway, in order; nothing of gateways of which no move is known."""
    found: dict[int, list[OwnTime]] = {}
    parameters = {"account": account_id, "gateways": sorted(set(gateway_ids))}
    with look_beyond():
        rows = fetch_rows(OWN_TIMES, parameters)
    for gateway_id, since, until in rows:
        found.setdefault(gateway_id, []).append(OwnTime(since, until))
    return found


def read_device_times(
    account_id: int, *, device_id: int, gateway_id: int
) -> tuple[date | None, list[OwnTime]]:
    """The first local day on which a device has values in an account, and the times in which its
    gateway was the account's; none where no move is known. One query."""
    parameters = {"account": account_id, "device": device_id, "gateway": gateway_id}
    with look_beyond():
        rows = fetch_rows(OF_DEVICE, parameters)
    return rows[0][3], [OwnTime(since, until) for is_known, since, until, _ in rows if is_known]


def find_current_since(account_id: int, gateway_id: int) -> datetime | None:
    """Since when an account has the gateway that it has now; None: no move is known."""
    times = read_own_times(account_id, [gateway_id]).get(gateway_id)
    return times[-1].since if times else None
