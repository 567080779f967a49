"""What the devices of a virtual meter come to."""

from decimal import Decimal
from typing import Any

import pytest

from telemetry.core.virtual_meters import Part, Sum, is_unbalanced, sum_parts


def part(sign: int, total: Any, *, coverage: Any = 1, estimated: int = 0) -> Part:
    return Part(
        1, "", sign, None if total is None else Decimal(total), Decimal(estimated),
        None if coverage is None else Decimal(coverage),
    )  # fmt: skip


def test_it_adds_and_subtracts() -> None:
    found = sum_parts([part(1, 100, estimated=3), part(-1, 30, coverage="0.5", estimated=2)])
    assert found == Sum(Decimal(70), Decimal(100), Decimal(30), Decimal(5), Decimal("0.5"))
    assert sum_parts([part(1, 100), part(-1, None, coverage=None)]).coverage == 0
    assert sum_parts([]) == Sum(*[Decimal(0)] * 5)


@pytest.mark.parametrize(
    ("main", "flats", "share", "expected"),
    [
        pytest.param(100, 100, None, False, id="nothing is left"),
        pytest.param(100, 101, None, True, id="less than nothing is left"),
        pytest.param(100, 10, None, False, id="any share may be left"),
        pytest.param(100, 95, "0.05", False, id="as much as may be left"),
        pytest.param(100, 94, "0.05", True, id="more than may be left"),
        pytest.param(None, None, "0", False, id="nothing at all"),
    ],
)
def test_it_knows_when_parts_contradict_the_main_meter(
    main: Any, flats: Any, share: Any, expected: bool
) -> None:
    of = sum_parts([part(1, main), part(-1, flats)])
    assert is_unbalanced(of, largest_share=None if share is None else Decimal(share)) is expected
