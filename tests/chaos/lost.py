"""What a disk lost."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LostBatch:
    """A batch that was written to Redis's file and cut off."""

    id: str
    messages: int
    body: bytes


@dataclass
class Damage:
    """What a disk lost or changed during a schedule. Of earlier ones, too: `owed`, what the report
    may differ by, and whether the broker's file was put aside, with the sessions in it."""

    lost_batches: list[LostBatch] = field(default_factory=list)
    broker_ended_at: float = 0.0
    seen: str = ""
    owed: frozenset[int] = frozenset((0,))
    is_put_aside: bool = False
