"""Refresh, retention and compression never contradict each other."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.checks import check_retention
from telemetry.core.retention import (
    MARGIN,
    find_aggregate_cutoff,
    find_contradictions,
    find_horizon,
    find_raw_cutoff,
)
from tests import forks

NOW = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = (
    "MAX_LATENESS_DAYS", "RAW_RETENTION_DAYS", "AGGREGATE_RETENTION_DAYS", "COMPRESS_AFTER_DAYS",
)  # fmt: skip


@pytest.mark.parametrize(
    ("days", "ids"),
    [
        pytest.param((400, 0, 0, 0), [], id="everything is kept for ever"),
        pytest.param((400, 432, 0, 0), [], id="readings as short as lateness allows"),
        pytest.param((400, 431, 0, 0), ["E001"], id="readings a day too short"),
        pytest.param((30, 62, 62, 7), [], id="everything as short as it may be"),
        pytest.param((400, 432, 432, 0), [], id="aggregates as long as readings"),
        pytest.param((400, 432, 431, 0), ["E002"], id="aggregates shorter than readings"),
        pytest.param((400, 0, 3650, 0), ["E002"], id="aggregates go while readings stay for ever"),
        pytest.param((400, 0, 0, 7), [], id="compression after a week"),
        pytest.param((400, 0, 0, 6), ["E003"], id="compression while lateness is usual"),
        pytest.param((400, 432, 0, 432), ["E004"], id="compression only when readings go"),
        pytest.param((400, 100, 50, 3), ["E001", "E002", "E003"], id="several at once"),
    ],
)
def test_it_names_every_rule_that_the_settings_break(
    days: tuple[int, int, int, int], ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(NAMES, days, strict=True):
        monkeypatch.setenv(name, str(value))
    found = check_retention()
    assert [error.id for error in found] == [f"telemetry.{short}" for short in ids]
    assert all("expected" in error.msg and error.hint for error in found)


@given(
    behind=st.integers(1, 1000),
    raw=st.integers(1, 2000),
    aggregates=st.integers(0, 3000),
    dirty_age_days=st.none() | st.integers(0, 3000),
)
def test_it_closes_no_hour_that_may_still_change_when_the_settings_pass(
    behind: int, raw: int, aggregates: int, dirty_age_days: int | None
) -> None:
    wrong = find_contradictions(
        behind_days=behind, raw_days=raw, aggregate_days=aggregates, compress_after_days=0
    )
    if wrong:
        assert raw < behind + MARGIN.days or 0 < aggregates < raw
        return
    dirty = None if dirty_age_days is None else NOW - dirty_age_days * DAY
    horizon = find_horizon(find_raw_cutoff(now=NOW, raw_days=raw, oldest_dirty=dirty))
    assert horizon <= NOW - (behind + 1) * DAY, "a reading that may still come would be frozen"
    assert dirty is None or horizon <= dirty, "a dirty hour would be frozen"
    cut = find_aggregate_cutoff(now=NOW, aggregate_days=aggregates or raw, horizon=horizon)
    assert cut <= horizon - 32 * DAY, "an open month would lose days"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("manage.py", "check"), 1),
        (("-m", "celery", "-A", "config", "worker", "-Q", "maintenance"), 2),
        (("-c", "import config.wsgi"), 3),
    ],
    ids=["manage.py check", "the maintenance pool", "the web process"],
)
def test_it_stops_with_the_rule_when_the_settings_contradict_each_other(
    arguments: tuple[str, ...], code: int
) -> None:
    environ = {key: text for key, text in os.environ.items() if not key.startswith("DJANGO_")}
    settings = {
        "SECRET_KEY": "k" * 60,
        "DEMO": "1",
        "DATABASE_URL": "postgres://u:hush@127.0.0.1:1/x",
        "REDIS_URL": "redis://:hush@127.0.0.1:1/0",
        "RAW_RETENTION_DAYS": "30",
    }
    done = forks.run(arguments, {**environ, **settings})
    assert done.returncode == code, done.stderr
    assert "RAW_RETENTION_DAYS=30: expected 0 or at least 432 days" in done.stderr
    assert "telemetry.E001" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr
