"""From a stored reading back to the dead letter that it was replayed from."""

from datetime import datetime, timedelta

from telemetry.core.payload import decode_payload
from telemetry.core.reasons import RejectedError
from telemetry.core.values import read_timestamp
from telemetry.installations.stamps import find_instant
from telemetry.models import DeadLetter

MOST_READ = 2_000
BEFORE, AFTER = timedelta(minutes=1), timedelta(minutes=5)
"""A replay is received a moment before its dead letters are marked as replayed."""
HANDLED = (DeadLetter.State.REPLAYED, DeadLetter.State.TAKEN)


def find_origin(
    *, device_id: int, mac: str, code: str, at: datetime, received_at: datetime
) -> DeadLetter | None:
    """The dead letter that names the device `code` of gateway `mac` and the instant `at`, and was
    sent again when the reading was received; None when the reading came at once. An edited one is
    found if neither was edited."""
    rows = DeadLetter.objects.filter(
        mac=mac, state__in=HANDLED,
        handled_at__gt=received_at - BEFORE, handled_at__lt=received_at + AFTER,
    ).order_by("-last_seen", "-id")[:MOST_READ]  # fmt: skip
    return next((row for row in rows if _names(bytes(row.payload), device_id, code, at)), None)


def _names(payload: bytes, device_id: int, code: str, at: datetime) -> bool:
    try:
        decoded = decode_payload(payload)
        stamp = read_timestamp(decoded.timestamp)
        if stamp != at and find_instant(device_id, stamp) != at:
            return False
    except RejectedError:
        return False
    return any(not isinstance(item, RejectedError) and item.code == code for item in decoded.items)
