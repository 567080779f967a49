"""What is still worked on is not taken for lost."""

import os
import subprocess

import pytest

from config.database import CONNECT_TIMEOUT_S
from config.env import read_options
from config.options import CheckOptions, IngestOptions, MaintenanceOptions, QueueOptions
from telemetry.core.batch_life import find_impatience
from telemetry.core.retry import LONGEST_DELAY_S, backoff_delay_s
from tests import forks

GOOD = {
    "SECRET_KEY": "k" * 60,
    "DEMO": "1",
    "DATABASE_URL": "postgres://u:hush@127.0.0.1:1/x",
    "REDIS_URL": "redis://:hush@127.0.0.1:1/0",
}


def check(*, stale: int, visibility: int, statement: int) -> list[str]:
    found = find_impatience(
        stale_after_s=stale,
        visibility_timeout_s=visibility,
        statement_timeout_s=statement,
        connect_timeout_s=5,
    )
    return [each.id.removeprefix("telemetry.") for each in found]


@pytest.mark.parametrize(
    ("times", "broken"),
    [
        ((75, 75, 60), []),
        ((74, 300, 60), ["E005"]),
        ((75, 74, 60), ["E006"]),
        ((30, 30, 600), ["E005", "E006"]),
        ((16, 30, 1), []),
        ((15, 30, 1), ["E005"]),
    ],
    ids=[
        "just long enough",
        "a batch is stale too soon",
        "a task is given away too soon",
        "both",
        "short, but longer than a worker is silent",
        "shorter than the longest wait for the next try",
    ],
)
def test_it_finds_what_takes_a_living_batch_for_lost(
    times: tuple[int, int, int], broken: list[str]
) -> None:
    stale, visibility, statement = times
    assert check(stale=stale, visibility=visibility, statement=statement) == broken


def test_it_reckons_with_the_longest_wait_that_there_is() -> None:
    assert max(backoff_delay_s(attempt, chance=0.0) for attempt in range(1, 99)) == LONGEST_DELAY_S


def test_it_keeps_to_its_own_rules_by_default() -> None:
    ingest = read_options(IngestOptions, GOOD)
    assert (
        check(
            stale=read_options(MaintenanceOptions, GOOD).stale_after_s,
            visibility=read_options(QueueOptions, GOOD).visibility_timeout_s,
            statement=ingest.statement_timeout_s,
        )
        == []
    )
    assert CONNECT_TIMEOUT_S == 5
    assert read_options(CheckOptions, GOOD).silenced == ()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("manage.py", "check"), 1),
        (("-m", "celery", "-A", "config", "worker", "-Q", "maintenance"), 2),
        (("-m", "celery", "-A", "config.ingest", "worker", "-Q", "ingest"), 2),
        (("-m", "workers.ingest_pool"), 2),
        (("-c", "import config.wsgi"), 3),
    ],
    ids=[
        *("manage.py check", "the maintenance pool", "the ingest pool"),
        *("the ingest pool by its start script", "the web process"),
    ],
)
def test_it_stops_with_both_settings_when_batches_would_be_sent_again_while_they_are_stored(
    arguments: tuple[str, ...], code: int
) -> None:
    done = run(arguments, BATCH_STALE_AFTER_S="30")
    assert done.returncode == code, done.stderr
    [line] = [line for line in done.stderr.splitlines() if "BATCH_STALE_AFTER_S=30" in line]
    assert "expected at least 75 s" in line
    assert "INGEST_STATEMENT_TIMEOUT_S=60 s" in line
    assert "telemetry.E005" in line
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("manage.py", "check"), ("-m", "celery", "-A", "config.ingest", "worker", "-Q", "ingest")],
    ids=["manage.py check", "the ingest pool"],
)
def test_it_reckons_with_the_time_to_connect_of_the_address(arguments: tuple[str, ...]) -> None:
    url = GOOD["DATABASE_URL"] + "?connect_timeout=50"
    done = run(arguments, DATABASE_URL=url, BATCH_STALE_AFTER_S="80")
    [line] = [line for line in done.stderr.splitlines() if "BATCH_STALE_AFTER_S=80" in line]
    assert "expected at least 120 s" in line
    assert "50 s to connect" in line


def test_it_starts_when_a_rule_is_silenced() -> None:
    done = run(
        ("-c", "import config.wsgi"), BATCH_STALE_AFTER_S="30", SILENCED_CHECKS="telemetry.E005"
    )
    assert done.returncode == 0, done.stderr


def run(arguments: tuple[str, ...], **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {key: text for key, text in os.environ.items() if not key.startswith("DJANGO_")}
    return forks.run(arguments, {**environ, **GOOD, **settings})
