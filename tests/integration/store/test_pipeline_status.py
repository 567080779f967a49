"""What is late or stuck is said in words."""

import json
import time
from typing import Any

import pytest
from django.test import Client

from config.env import read_options
from telemetry.core.batch import BRIDGE_KEY, PENDING_KEY
from telemetry.queue.alarm import raise_alarm
from telemetry.queue.batches import BatchQueue
from telemetry.queue.pools import note_progress, note_wait, read_pools
from tests.batches import claim
from tests.messages import make_message
from tests.status import read_test_status

pytestmark = pytest.mark.integration


def put_old(queue: BatchQueue, *, age_s: float) -> None:
    queue.redis.zadd(PENDING_KEY, {"018f00000000-000000000000": time.time() - age_s})


def test_it_says_that_the_oldest_batch_is_late(queue: BatchQueue) -> None:
    put_old(queue, age_s=130)
    assert any(
        problem.startswith("the oldest of 1 batches is pending for 13")
        and problem.endswith("the limit is 120 s")
        for problem in read_test_status(queue).problems
    )
    late = read_test_status(queue, STATUS_OLDEST_PENDING_S="200")
    assert not [problem for problem in late.problems if "oldest" in problem]


def test_it_says_that_a_pool_is_stuck_and_what_it_waits_for(queue: BatchQueue) -> None:
    put_old(queue, age_s=70)
    note_wait(queue.redis, "ingest-1@host", reason="connection refused")
    note_wait(queue.redis, "ingest-1@host", reason="connection refused")
    note_progress(queue.redis, "ingest-2@host")
    stuck = [problem for problem in read_test_status(queue).problems if "pool" in problem]
    assert stuck == [
        "pool ingest-1@host has stored nothing for a day; it waits: connection refused (2 retries)"
    ]


def test_it_finds_no_pool_stuck_while_nothing_is_pending(queue: BatchQueue) -> None:
    note_wait(queue.redis, "ingest-1@host", reason="connection refused")
    assert not [
        problem for problem in read_test_status(queue).problems if "stored nothing" in problem
    ]


def test_it_forgets_the_wait_of_a_pool_that_goes_on(queue: BatchQueue) -> None:
    note_wait(queue.redis, "ingest-1@host", reason="connection refused")
    note_progress(queue.redis, "ingest-1@host")
    [pool] = read_pools(queue.redis)
    assert not pool.is_waiting
    assert pool.retries == 1


def test_it_says_how_much_the_reject_guard_has_put_aside_and_why(queue: BatchQueue) -> None:
    batch_id = queue.put([make_message()], source="bridge-1")
    claim(queue, batch_id)
    queue.hold(batch_id)
    raise_alarm(queue.redis, reason="14 of 15 gateways got nothing in")
    found = read_test_status(queue)
    assert (found.held_batches, found.pending_batches) == (1, 0)
    [problem] = [problem for problem in found.problems if "reject guard" in problem]
    assert problem.startswith(
        "the reject guard has put 1 batches aside: 14 of 15 gateways got nothing in"
    )
    assert problem.endswith("manage.py resume_ingest")


@pytest.mark.usefixtures("connection")
def test_it_turns_the_health_of_the_pipeline_red_with_the_reason(
    queue: BatchQueue, client: Client, settings: Any, environ: dict[str, str]
) -> None:
    from config.options import WebOptions

    settings.OPTIONS = read_options(WebOptions, environ)
    sign = {"host": "h", "pid": 1, "at": time.time(), "state": "ready"}
    queue.redis.set(f"{BRIDGE_KEY}bridge-1", json.dumps(sign))
    queue.redis.set("ingest:beat:active", json.dumps(sign))
    answer = client.get("/health/pipeline")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "problems": []})
    put_old(queue, age_s=500)
    answer = client.get("/health/pipeline")
    assert answer.status_code == 503
    assert "is pending for 500 s" in answer.json()["problems"][0]
    queue.put([make_message()] * 3, source="test")
    counted = client.get("/health/pending")
    assert (counted.status_code, counted.json()) == (200, {"pending_messages": 3})


def test_it_says_what_the_broker_lost_and_refused(queue: BatchQueue) -> None:
    for is_kept in (False, False):
        queue.note_session("bridge-1", is_kept=is_kept)
    queue.note_denied("denied_client_id/gateway", 5)
    queue.note_denied("removed_expiry/gateway", 7)
    queue.note_denied("failed_handshake/certificate verify failed", 3)
    status = read_test_status(queue)
    problems = status.problems
    assert status.notes == [
        "TLS handshakes with the broker that failed: certificate verify failed: 3"
    ]
    assert any("lost the session of a bridge 1 times" in problem for problem in problems)
    [denied] = [problem for problem in problems if "denied" in problem]
    assert "(denied_client_id/gateway 5): its log" in denied
    starting = read_test_status(queue, is_starting=True).problems
    assert not [problem for problem in starting if "lost" in problem or "denied" in problem]
