"""Consumption of a time without readings, spread evenly over the hours that it covers.

A step over more than twice the interval of a meter (two hours where that is unknown) does not tell
when something was consumed. Until an instant in it, its share by time was consumed, to four
decimals; an hour, a day, a month gets the difference between its two ends. So parts add up to
the step, whatever they are parts of, and what is cut off goes on to the last.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from telemetry.core.registers import EXACT, HOUR, Step

RESOLUTION = timedelta(microseconds=1)
TEN_THOUSAND = 10_000


def find_limit(interval_s: int | None) -> timedelta:
    """The longest step that is not spread."""
    return 2 * HOUR if interval_s is None else timedelta(seconds=2 * interval_s)


def is_gap(step: Step) -> bool:
    """Whether a step takes longer than it may, and more than one UTC hour."""
    if step.since is None or step.longest is None or step.at - step.since <= step.longest:
        return False
    return step.since.replace(minute=0, second=0, microsecond=0) + HOUR < step.at


def consume(steps: Iterable[Step], start: datetime, end: datetime) -> tuple[Decimal, Decimal]:
    """What was consumed after `start`, up to and including `end`, and how much of it is estimated:
    what comes from gaps that reach over `start` or `end`."""
    consumed = estimated = Decimal(0)
    for step in steps:
        if not is_gap(step):
            if start < step.at <= end:
                consumed += step.consumed
            continue
        part = consume_until(step, end) - consume_until(step, start)
        consumed += part
        if step.since is not None and (step.since < start or end < step.at):
            estimated += part
    return consumed, estimated


def consume_until(step: Step, at: datetime) -> Decimal:
    """What of a step was consumed up to an instant."""
    if at >= step.at:
        return step.consumed
    if step.since is None or at <= step.since:
        return Decimal(0)
    elapsed, length = ((one - step.since) // RESOLUTION for one in (at, step.at))
    shares = EXACT.multiply(step.consumed, Decimal(TEN_THOUSAND * elapsed))
    return EXACT.divide_int(shares, Decimal(length)) / TEN_THOUSAND
