"""Resident memory of every process through a long run: is it flat?"""

from collections import defaultdict
from statistics import mean

from tests.bench.flow import Sample, open_pipeline
from tests.bench.results import Run


def run_memory(*, count: int, rate: float, concurrency: int) -> Run:
    """Send `count` messages at a rate; memory in the second and in the last fifth of the run."""
    seen: defaultdict[str, list[float]] = defaultdict(list)
    with open_pipeline(concurrency=concurrency) as pipeline:

        def note(_: Sample) -> None:
            for name, megabytes in pipeline.list_memory_mb().items():
                seen[name].append(megabytes)

        flow = pipeline.send(rate=rate, seconds=count / rate, on_sample=note)
    run: Run = {"messages": float(flow.published)}
    for name, values in seen.items():
        fifth = max(1, len(values) // 5)
        run[f"{name}, early, MB"] = mean(values[fifth : 2 * fifth] or values)
        run[f"{name}, late, MB"] = mean(values[-fifth:])
        run[f"{name}, most, MB"] = max(values)
    return run
