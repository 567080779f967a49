"""How long readings and aggregates are kept. The rules across them: `telemetry.checks`."""

from dataclasses import dataclass
from typing import Any

from config.env import setting


def lateness_setting() -> Any:
    """The setting that both the contract and the rules of retention read."""
    return setting(
        "MAX_LATENESS_DAYS",
        "messages whose timestamp is older than this are rejected (timestamp_out_of_range)",
        default=400,
        unit="days",
        minimum=1,
        maximum=36500,
    )


@dataclass(frozen=True)
class RetentionOptions:
    """Retention and compression. Months are kept for ever."""

    behind_days: int = lateness_setting()
    raw_days: int = setting(
        "RAW_RETENTION_DAYS",
        "readings older than this are dropped; at least MAX_LATENESS_DAYS + 32; 0 keeps them "
        "for ever",
        default=0,
        unit="days",
        minimum=0,
        maximum=36500,
    )
    aggregate_days: int = setting(
        "AGGREGATE_RETENTION_DAYS",
        "hourly and daily aggregates older than this are dropped; not less than "
        "RAW_RETENTION_DAYS; 0 keeps them for ever. Months are always kept",
        default=0,
        unit="days",
        minimum=0,
        maximum=36500,
    )
    compress_after_days: int = setting(
        "COMPRESS_AFTER_DAYS",
        "readings and hourly aggregates older than this are compressed; 7 or more; 0 never "
        "compresses. TimescaleDB Community only",
        default=0,
        unit="days",
        minimum=0,
        maximum=36500,
    )
