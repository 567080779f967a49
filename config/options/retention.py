"""How long readings and aggregates are kept. The rules across them: `telemetry.checks`."""

from dataclasses import dataclass
from typing import Any

from config.env import setting


def lateness_setting() -> Any:
    """The setting that both the contract and the rules of retention read."""
    return setting(
        "MAX_LATENESS_DAYS",
        "how far a timestamp may be behind the server",
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
        "age at which readings are dropped, at least 32 more than MAX_LATENESS_DAYS; 0 keeps them",
        default=0,
        unit="days",
        minimum=0,
        maximum=36500,
    )
    aggregate_days: int = setting(
        "AGGREGATE_RETENTION_DAYS",
        "age at which hourly and daily aggregates are dropped, no sooner than readings; 0 keeps "
        "them. Months are kept for ever",
        default=0,
        unit="days",
        minimum=0,
        maximum=36500,
    )
    compress_after_days: int = setting(
        "COMPRESS_AFTER_DAYS",
        "age at which readings are compressed, 7 or more (TimescaleDB Community only); 0 never",
        default=0,
        unit="days",
        minimum=0,
        maximum=36500,
    )
