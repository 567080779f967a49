"""The state of the pipeline as tests read it."""

from collections.abc import Callable

from config.env import read_options
from config.options import StatusOptions
from telemetry.queue.batches import BatchQueue
from telemetry.store.operations.pipeline_status import PipelineStatus, TaskAge, read_status


def read_test_status(
    queue: BatchQueue,
    *,
    bridges: int = 0,
    pools: int = 0,
    read_tasks: Callable[[], list[TaskAge]] | None = None,
    is_starting: bool = False,
    **settings: str,
) -> PipelineStatus:
    """Wanted are no bridges and no pools, unless the test has some."""
    app = queue._app
    assert app is not None
    options = read_options(StatusOptions, settings)
    return read_status(
        queue,
        app,
        options=options,
        bridges_wanted=bridges,
        pools_wanted=pools,
        read_tasks=read_tasks,
        is_starting=is_starting,
    )
