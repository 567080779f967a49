"""What a run publishes: settings of the run, and when which gateway speaks. Pure."""

from dataclasses import dataclass
from enum import Enum

from telemetry.simulator.load import scramble
from telemetry.simulator.simulated_fleet import SimulatedFleet

FASTEST_STEP_US = 10  # between two messages of a run without a rate: 100,000 a second
PLAIN_INTERVAL_US = 60_000_000  # what a delta covers when gateways have no interval


class Kind(Enum):
    """What is done with a message's place in the run."""

    GOOD = "good"
    BAD = "bad"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Plan:
    """A run: the same plan always gives the same messages.

    `messages_count` 0 goes on for ever. With `interval_us` every gateway speaks once an interval,
    all at one instant; otherwise they take turns every `step_us`.
    """

    fleet: SimulatedFleet
    prefix: str
    seed: int
    first_at_us: int
    step_us: int = FASTEST_STEP_US
    interval_us: int = 0
    messages_count: int = 0
    bad_share: float = 0.0
    duplicate_share: float = 0.0
    payload_limit_bytes: int = 65_536
    ahead_us: int = 0  # how far a timestamp must be ahead of `first_at_us` to be rejected

    @property
    def run(self) -> int:
        """24 bits that tell this run from others."""
        return scramble(self.seed ^ self.first_at_us) & 0xFFFFFF

    def time_us(self, number: int) -> int:
        """The timestamp of message `number`: no gateway has one twice."""
        if self.interval_us:
            return self.first_at_us + number // len(self.fleet.gateways) * self.interval_us
        return self.first_at_us + number * self.step_us

    def gateway(self, number: int) -> int:
        """Which gateway speaks. Each once a round, in an order that shifts from round to round,
        so that bad messages, which come at even distances, meet all of them."""
        turn, place = divmod(number, len(self.fleet.gateways))
        return (place + turn) % len(self.fleet.gateways)

    def kind(self, number: int) -> Kind:
        """Whether a message is bad or sent twice: at even distances, exactly the shares."""
        if crosses(number, self.bad_share):
            return Kind.BAD
        # Among the messages that are not bad, so that the two shares do not collide.
        good = number - int(number * self.bad_share)
        left = 1 - self.bad_share
        if left > 0 and crosses(good, self.duplicate_share / left):
            return Kind.DUPLICATE
        return Kind.GOOD


def crosses(number: int, share: float) -> bool:
    """Whether the count of a share goes up at this number: true for that share of all numbers."""
    return int((number + 1) * share) > int(number * share)


def spread_step_us(*, span_us: int, messages_count: int) -> int:
    """The step that spreads a run's timestamps over a span of the past."""
    return max(span_us // max(messages_count, 1), 1)
