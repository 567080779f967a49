"""Where a reading with a stamp is stored: some meters stamp the beginning of an interval; and when
that can be told."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from django.db.models import F
from django.utils.translation import gettext as _

from telemetry.core.fleet_cache import Shift, place_stamp
from telemetry.core.reading import to_instant, to_microseconds
from telemetry.installations.texts import describe_instant
from telemetry.models import Device, Installation, Reading

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


def find_wrong_stamp(new: Installation, before: Installation) -> Iterator[tuple[str, str]]:
    """What is wrong with what the stamps of a new meter name: fields with texts."""
    is_start = new.stamp == Installation.Stamp.START
    if is_start and (new.measurement != Device.Measurement.DELTA or new.interval_s is None):
        yield (
            "stamp",
            _(
                "only what was used since the last reading has an interval that begins: expected a "
                "delta with an interval in seconds"
            ),
        )
    kept = (new.stamp, new.interval_s) == (before.stamp, before.interval_s)
    if kept or Installation.Stamp.START not in (new.stamp, before.stamp):
        return
    newest = check_stamp_kept(new)
    if newest is not None:
        yield "stamp", newest


def check_stamp_kept(new: Installation) -> str | None:
    """Why what its stamps name cannot be another thing now; None when it can."""
    newest = (
        Reading.objects.filter(device_id=new.device_id, time__gt=new.since)
        .order_by("-time")
        .first()
    )
    if newest is None:
        return None
    return _(
        "readings after this instant are stored by their stamps already, the last one, "
        "%(value)s, at %(at)s: what stamps name is told before the first reading of a meter"
    ) % {"value": newest.value, "at": describe_instant(newest.time, new.device)}
