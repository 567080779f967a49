"""How long a batch that is worked on may show no sign of life, and what must outlast that.

A worker shows life when it starts on a batch and before each further try. In between it may connect
again, run one statement for as long as it may take (waits for locks included) and wait for the next
try. What counts a batch as lost sooner sends living ones again: harmless, and work for nothing.
"""

from telemetry.core.retention import Contradiction
from telemetry.core.retry import LONGEST_DELAY_S


def find_impatience(
    *,
    stale_after_s: int,
    visibility_timeout_s: int,
    statement_timeout_s: int,
    connect_timeout_s: int,
) -> list[Contradiction]:
    """Settings that take a batch for lost while a worker may still work on it."""
    least_s = statement_timeout_s + connect_timeout_s + round(LONGEST_DELAY_S)
    values = {
        "telemetry.E005": ("BATCH_STALE_AFTER_S", stale_after_s),
        "telemetry.E006": ("CELERY_VISIBILITY_TIMEOUT_S", visibility_timeout_s),
    }
    return [
        Contradiction(
            check,
            f"{name}={value_s}: expected at least {least_s} s, or batches are sent again while a "
            f"worker has them: it may be silent for INGEST_STATEMENT_TIMEOUT_S="
            f"{statement_timeout_s} s, {connect_timeout_s} s to connect and {LONGEST_DELAY_S:g} s "
            "before the next try",
            f"Raise {name}, or lower INGEST_STATEMENT_TIMEOUT_S.",
        )
        for check, (name, value_s) in values.items()
        if value_s < least_s
    ]
