"""The highest rate at which the backlog does not grow, the generator on the same machine included.

Short flows look for it in steps; a flow of a minute confirms it, or a lower one does.
"""

from collections.abc import Callable
from statistics import mean

from tests.bench.flow import Flow, Pipeline, costs, open_pipeline
from tests.bench.results import Run

STEP = 1.15
BACK = 0.94
LOOK_S = 10.0
LONGEST_BACKLOG_S = 1.0  # of messages, on average over the end of a flow
TRIES = 6


def run_sustain(
    *,
    seconds: float,
    first_rate: float,
    is_search: bool,
    concurrency: int,
    is_crash_safe: bool,
    say: Callable[[str], None],
) -> Run:
    """Find the rate on fresh servers; the figures of the flow that held.

    Without a search the first rate is confirmed, or a lower one.
    """
    with open_pipeline(concurrency=concurrency, is_crash_safe=is_crash_safe) as pipeline:
        rate = _find_limit(pipeline, first_rate, say) if is_search else first_rate
        for _ in range(TRIES):
            flow = pipeline.send(rate=rate, seconds=seconds)
            held = is_held(flow, rate=rate)
            say(f"{rate:,.0f}/s for {seconds:g} s: {_describe(flow, held=held)}")
            if held:
                return {
                    "messages a second": rate,
                    "seconds": seconds,
                    "backlog at the end, messages": mean_backlog(flow, part=(0.8, 1.0)),
                    **costs(flow),
                }
            rate *= BACK
    return {"messages a second": 0.0}


def _find_limit(pipeline: Pipeline, rate: float, say: Callable[[str], None]) -> float:
    """The last rate of rising ones that held for some seconds."""
    best = rate
    while True:
        flow = pipeline.send(rate=rate, seconds=LOOK_S)
        held = is_held(flow, rate=rate)
        say(f"{rate:,.0f}/s for {LOOK_S:g} s: {_describe(flow, held=held)}")
        if not held:
            return best
        best, rate = rate, rate * STEP


def is_held(flow: Flow, *, rate: float) -> bool:
    """Whether everything was published in time and the backlog did not grow."""
    early, late = mean_backlog(flow, part=(0.3, 0.6)), mean_backlog(flow, part=(0.7, 1.0))
    has_kept_up = flow.published_s <= flow.published / rate * 1.02 + 0.5
    return (
        has_kept_up
        and late <= rate * LONGEST_BACKLOG_S
        and late - early <= rate * LONGEST_BACKLOG_S / 4
    )


def mean_backlog(flow: Flow, *, part: tuple[float, float]) -> float:
    """Mean backlog over a part of the flow, as shares of its time."""
    last_s = flow.samples[-1].at_s
    chosen = [
        sample.backlog
        for sample in flow.samples
        if part[0] * last_s <= sample.at_s <= part[1] * last_s
    ]
    return mean(chosen) if chosen else float(flow.samples[-1].backlog)


def _describe(flow: Flow, *, held: bool) -> str:
    late = mean_backlog(flow, part=(0.7, 1.0))
    return f"{'held' if held else 'not held'}, backlog {late:,.0f}"
