"""Where a reading with a stamp is stored: some meters stamp the beginning of an interval."""

from datetime import datetime
from itertools import pairwise

from django.db.models import F

from telemetry.core.fleet_cache import Shift, place_stamp
from telemetry.core.reading import to_instant, to_microseconds
from telemetry.models import Installation

FIRST_US, LAST_US = -(2**63), 2**63 - 1


def find_instant(device_id: int, stamp: datetime) -> datetime:
    """The instant at which ingestion stores a reading of the device with a stamp."""
    rows = Installation.objects.filter(device_id=device_id, undone_at=None)
    meters = [*rows.order_by(F("since").asc(nulls_first=True)), None]
    shifts = [
        Shift(
            FIRST_US if one.since is None else to_microseconds(one.since),
            LAST_US if after is None or after.since is None else to_microseconds(after.since),
            one.interval_s * 1_000_000,
        )
        for one, after in pairwise(meters)
        if one is not None and one.stamp == Installation.Stamp.START and one.interval_s
    ]
    return to_instant(place_stamp(to_microseconds(stamp), shifts))
