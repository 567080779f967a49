"""Whose an edited dead letter would be: a reading is the account's of its own time."""

from telemetry.core.payload import decode_payload
from telemetry.core.reasons import RejectedError
from telemetry.core.values import read_timestamp
from telemetry.models import DeadLetter
from telemetry.store.reads.own_times import read_own_times


def is_of_own_time(dead_letter: DeadLetter, payload: bytes) -> bool:
    """Whether the gateway is, at the instant that an edited payload names, of the account that has
    the dead letter. What names none is rejected anyway."""
    if dead_letter.account_id is None or dead_letter.gateway_id is None:
        return True
    moves = read_own_times(dead_letter.account_id, [dead_letter.gateway_id])
    times = moves.get(dead_letter.gateway_id)
    try:
        at = read_timestamp(decode_payload(payload).timestamp)
    except RejectedError:
        return True
    return times is None or any(
        (time.since is None or time.since < at) and (time.until is None or at <= time.until)
        for time in times
    )
