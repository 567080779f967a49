"""The status of the pipeline as tests ask for it."""

from collections.abc import Callable

from config.env import read_options
from config.options import StatusOptions
from telemetry.queue.batches import BatchQueue
from telemetry.store.operations.pipeline_status import PipelineStatus, TaskAge, read_status


def ask_status(
    queue: BatchQueue,
    *,
    pools_wanted: int = 0,
    read_tasks: Callable[[], list[TaskAge]] | None = None,
    **settings: str,
) -> PipelineStatus:
    """Without bridges, and without pools unless some are wanted."""
    return read_status(
        queue,
        queue._app,  # type: ignore[arg-type]
        options=read_options(StatusOptions, settings),
        bridges_wanted=0,
        pools_wanted=pools_wanted,
        read_tasks=read_tasks,
    )
