"""What a run was and what it showed."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Load:
    """What is published during a schedule."""

    seconds: float
    rate: float  # messages a second


@dataclass
class Hit:
    """A fault as it happened. Instants are Unix seconds."""

    name: str
    applied_at: float = 0.0
    healed_at: float = 0.0
    recovery_s: float | None = None
    problem: str = ""


@dataclass
class Result:
    """What a schedule showed. Empty `problems`: nothing was lost, doubled or changed."""

    number: int
    seed: int
    hits: list[Hit]
    published: int = 0
    acknowledged: int = 0
    resent: int = 0
    rows: int = 0
    aggregates: int = 0  # hours, days and months that were held against the readings
    changes: int = 0  # edits, moves and changes of meter while messages flowed
    dead_letters: int = 0
    duplicate_messages: int = 0
    difference: int = 0
    seconds: float = 0.0
    load_s: float = 0.0  # until the last message is acknowledged and the last fault is over
    healthy_s: float = 0.0  # from then until all is well
    drain_s: float = 0.0  # until everything is checked
    seen: list[str] = field(default_factory=list)  # of damaged files
    problems: list[str] = field(default_factory=list)
