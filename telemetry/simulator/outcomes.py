"""What each message must become, and the sums of it over a run."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from telemetry.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one message must become.

    A duplicate and a conflicting reading are so whichever of the two is stored first.
    """

    device_ids: tuple[int, ...] = ()  # one for each reading that is stored
    duplicates: int = 0
    rejected: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedMessage:
    """What a gateway publishes. `gateway` is its number in the fleet."""

    topic: str
    payload: bytes
    outcome: Outcome
    gateway: int


@dataclass(frozen=True)
class Expectation:
    """Sums over messages: what the database must hold for them."""

    messages: int
    rows_by_device: dict[int, int]
    duplicates: int
    dead_letters: dict[str, int]

    @property
    def readings_stored(self) -> int:
        """Readings that must be stored."""
        return sum(self.rows_by_device.values())


def sum_outcomes(outcomes: Counter[Outcome]) -> Expectation:
    """Add up how many messages must become what."""
    rows: defaultdict[int, int] = defaultdict(int)
    rejected: defaultdict[str, int] = defaultdict(int)
    duplicates = 0
    for outcome, count in outcomes.items():
        duplicates += outcome.duplicates * count
        for device_id in outcome.device_ids:
            rows[device_id] += count
        for reason in outcome.rejected:
            rejected[str(reason)] += count
    ordered = {str(reason): rejected[reason] for reason in Reason if reason in rejected}
    return Expectation(outcomes.total(), dict(rows), duplicates, ordered)
