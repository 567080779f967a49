"""How long to wait before the next try."""

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0


def backoff_delay_s(
    attempt: int,
    *,
    chance: float,
    longest_s: float = LONGEST_DELAY_S,
) -> float:
    """Seconds to wait after failure number `attempt` (from 1).

    Doubles up to `longest_s`; `chance` in [0, 1) takes off up to half, also at the cap, so that
    many waiters never come back at the same instant.
    """
    ceiling = min(longest_s, FIRST_DELAY_S * 2.0 ** min(attempt - 1, 60))
    return ceiling * (1 - chance / 2)
