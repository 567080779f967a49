"""Virtual meters, as pure functions: devices that are added, less devices that are subtracted."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

ZERO = Decimal(0)


class Part(Struct, frozen=True):
    """What a device adds to a virtual meter in a month, or takes from it (`sign` -1). `total` is
    None where it has nothing in the month."""

    device_id: int
    label: str
    sign: int
    total: Decimal | None
    estimated: Decimal
    coverage: Decimal | None


class Sum(Struct, frozen=True):
    """What the parts come to. `estimated`: how much of what they measured is estimated, whatever
    their signs. `coverage`: that of the part with the least; 0 where one has nothing."""

    total: Decimal
    added: Decimal
    subtracted: Decimal
    estimated: Decimal
    coverage: Decimal


def sum_parts(parts: Iterable[Part]) -> Sum:
    """Add and subtract the devices of a month."""
    listed = list(parts)
    added, subtracted = (
        sum((part.total or ZERO for part in listed if part.sign == sign), ZERO) for sign in (1, -1)
    )
    shares = [ZERO if part.total is None else part.coverage or ZERO for part in listed]
    return Sum(
        added - subtracted,
        added,
        subtracted,
        sum((part.estimated for part in listed), ZERO),
        min(shares, default=ZERO),
    )


def is_unbalanced(of: Sum, *, largest_share: Decimal | None) -> bool:
    """Whether the parts contradict the main meter: they count more than it, or leave more than a
    share of it; None: any share may be left."""
    if of.total < 0:
        return True
    return largest_share is not None and of.total > largest_share * of.added
