"""Where a device was silent, and how often it sends."""

from datetime import UTC, datetime, timedelta

import pytest

from telemetry.web.charts.intervals import find_silences, infer_interval

START = datetime(2026, 11, 2, tzinfo=UTC)


def at(*minutes: float) -> list[datetime]:
    return [START + minute * timedelta(minutes=1) for minute in minutes]


@pytest.mark.parametrize(
    ("minutes", "interval_s", "silences"),
    [
        pytest.param((0, 10, 20, 41), 600, [2], id="by its interval"),
        pytest.param((0, 1, 2, 4, 7), 10, [3], id="two minutes at the least"),
        pytest.param((0, 15, 30, 45, 120, 135, 150), None, [3], id="by its readings"),
        pytest.param((0, 60, 120, 180, 181, 182, 183, 184), None, [], id="oftener from then on"),
        pytest.param((0, 1, 2, 3, 63, 123, 183), None, [], id="more seldom from then on"),
        pytest.param((0, 15, 30, 120, 135, 300, 315), None, [2, 4], id="two gaps"),
        pytest.param((0, 50), None, [], id="two readings within an hour"),
        pytest.param((0, 121), None, [0], id="two readings hours apart"),
        pytest.param((), None, [], id="no reading"),
    ],
)
def test_it_finds_silences(
    minutes: tuple[float, ...], interval_s: int | None, silences: list[int]
) -> None:
    found = find_silences(at(*minutes), interval_s=interval_s)
    assert [number for number, is_silent in enumerate(found) if is_silent] == silences


@pytest.mark.parametrize(
    ("minutes", "interval_s"),
    [
        ((0, 15, 30.1, 44.9, 60), 900),
        ((0, 1, 2, 3, 90, 91), 60),
        ((0, 7, 14, 21), 420),
        ((0, 15, 30), None),
        ((0, 0, 0, 0), None),
    ],
)
def test_it_infers_an_interval(minutes: tuple[float, ...], interval_s: int | None) -> None:
    assert infer_interval(at(*minutes)) == interval_s
