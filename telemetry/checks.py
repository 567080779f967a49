"""Rules across settings, as Django checks: `manage.py check`, and at the start of web and workers.

telemetry.E001  readings are kept longer than they may be late, with a billing month on top
telemetry.E002  aggregates are kept at least as long as readings
telemetry.E003  compression waits until lateness is no longer usual: such readings cost much
telemetry.E004  compression comes before the drop
telemetry.E005  a batch is not sent again while a worker may still work on it
telemetry.E006  nor is its task given to another worker
"""

from typing import Any

from django.core.checks import Error, register

from config.database import read_connect_timeout_s
from config.env import read_options
from config.options import IngestOptions, MaintenanceOptions, RetentionOptions
from telemetry.core.batch_life import find_impatience
from telemetry.core.retention import find_contradictions

TAG = "telemetry"


@register(TAG)
def check_retention(**_: Any) -> list[Error]:
    """Refresh, retention and compression must not contradict each other."""
    return [
        Error(found.text, hint=found.hint, id=found.id)
        for found in find_contradictions(**_as_days(read_options(RetentionOptions)))
    ]


@register(TAG)
def check_batch_life(**_: Any) -> list[Error]:
    """What is still worked on must not count as lost."""
    ingest, maintenance = read_options(IngestOptions), read_options(MaintenanceOptions)
    return [
        Error(found.text, hint=found.hint, id=found.id)
        for found in find_impatience(
            stale_after_s=maintenance.stale_after_s,
            visibility_timeout_s=ingest.queue.visibility_timeout_s,
            statement_timeout_s=ingest.statement_timeout_s,
            connect_timeout_s=read_connect_timeout_s(ingest.database.url),
        )
    ]


def _as_days(options: RetentionOptions) -> dict[str, int]:
    return {
        "behind_days": options.behind_days,
        "raw_days": options.raw_days,
        "aggregate_days": options.aggregate_days,
        "compress_after_days": options.compress_after_days,
    }
