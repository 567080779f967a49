"""What a statement of a device must come to, made for tests."""

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from telemetry.core.consumption import Value
from telemetry.core.statements import list_parts
from telemetry.store.billing.statement_parts import FittedMeter, Period, count_parts
from telemetry.store.db.connection import Connection
from telemetry.store.installations.meters import list_meters
from telemetry.store.reads.own_times import OwnTime
from tests.consumption import Replacement, Site, install


def check_statements(
    connection: Connection,
    site: Site,
    readings: Iterable[Value],
    replacements: Iterable[Replacement],
    *,
    instants: Iterable[datetime],
) -> None:
    """Statements from instant to instant, and over all of them, are what the pure form says."""
    ends = sorted(instants)
    found, meters = list(readings), install(site.meter, replacements)
    fitted = [
        FittedMeter(one, "kWh", "")
        for one in list_meters(connection, site.device_id, until=ends[-1])
    ]
    for since, until in [*pairwise(ends), (ends[0], ends[-1])]:
        period = Period(site.account_id, ZoneInfo(site.zone), since, until)
        own = {site.device_id: [OwnTime(None, None)]}
        counted = count_parts(period, {site.device_id: fitted}, own)
        parts: list[Any] = counted.get(site.device_id, [])
        expected = list_parts(found, meters, since, until, is_spread=site.is_spread)
        assert [_tell(part) for part in parts] == [_tell(part) for part in expected], site


def _tell(part: Any) -> tuple[Any, ...]:
    return (part.since, part.until, part.total, part.estimated, part.opening, part.closing)
