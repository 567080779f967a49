"""Rules between the settings of retention and compression, and the cutoffs that follow from them.

From old to new, readings lie in three ranges:

    dropped | stored, hours frozen | stored, hours computed again when readings arrive
          cutoff                horizon

The range in the middle is `NEIGHBOURS` wide. What belongs to an hour at the horizon can still be
computed and verified from readings: its whole local day, its whole billing month, and in all but
odd cases the reading before it. Pure: `now` is an argument.
"""

from datetime import datetime, timedelta

from msgspec import Struct

NEIGHBOURS = timedelta(days=31)  # the longest billing month
DAY = timedelta(days=1)  # the width of a chunk, and more than any offset from UTC
MARGIN = NEIGHBOURS + DAY
COMPRESS_AFTER_LEAST = timedelta(days=7)  # the longest usual outage of a gateway


class Contradiction(Struct, frozen=True):
    """A rule that the settings break, with the id of its check."""

    id: str
    text: str
    hint: str


def find_contradictions(
    *, behind_days: int, raw_days: int, aggregate_days: int, compress_after_days: int
) -> list[Contradiction]:
    """Rules that the settings (days; 0: for ever, never) break."""
    found = []
    least = behind_days + MARGIN.days
    if 0 < raw_days < least:
        found.append(
            Contradiction(
                "telemetry.E001",
                f"RAW_RETENTION_DAYS={raw_days}: expected 0 or at least {least} days: a reading "
                f"may come {behind_days} days late (MAX_LATENESS_DAYS), and its hour is computed "
                f"again from readings of up to {MARGIN.days} days more",
                "Keep readings for longer, or lower MAX_LATENESS_DAYS.",
            )
        )
    if aggregate_days and (raw_days == 0 or aggregate_days < raw_days):
        how_long = f"for {raw_days} days" if raw_days else "for ever"
        found.append(
            Contradiction(
                "telemetry.E002",
                f"AGGREGATE_RETENTION_DAYS={aggregate_days}: expected 0 or at least as long as "
                f"readings are kept, {how_long} (RAW_RETENTION_DAYS): a refresh would create "
                "dropped rows again",
                "Keep aggregates as long as readings, or longer.",
            )
        )
    if 0 < compress_after_days < COMPRESS_AFTER_LEAST.days:
        found.append(
            Contradiction(
                "telemetry.E003",
                f"COMPRESS_AFTER_DAYS={compress_after_days}: expected 0 or at least "
                f"{COMPRESS_AFTER_LEAST.days} days: late readings are usual for as long, and each "
                "one that meets compressed rows costs many times as much",
                "Compress later.",
            )
        )
    if raw_days and compress_after_days >= raw_days:
        found.append(
            Contradiction(
                "telemetry.E004",
                f"COMPRESS_AFTER_DAYS={compress_after_days}: expected less than "
                f"RAW_RETENTION_DAYS={raw_days}: readings would be dropped before",
                "Compress sooner, or set it to 0.",
            )
        )
    return found


def find_raw_cutoff(*, now: datetime, raw_days: int, oldest_dirty: datetime | None) -> datetime:
    """Chunks that end at this instant or before may be dropped.

    Not yet, if that would freeze an hour that is still dirty.
    """
    cutoff = now - timedelta(days=raw_days)
    return cutoff if oldest_dirty is None else min(cutoff, oldest_dirty - NEIGHBOURS)


def find_horizon(cutoff: datetime) -> datetime:
    """Hours before this instant are frozen once readings before `cutoff` are dropped."""
    return cutoff + NEIGHBOURS


def find_aggregate_cutoff(*, now: datetime, aggregate_days: int, horizon: datetime) -> datetime:
    """Hours and days before this instant may be dropped.

    Never a day of a month that an hour behind the horizon can still change.
    """
    return min(now - timedelta(days=aggregate_days), horizon - MARGIN)
