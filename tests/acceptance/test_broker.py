"""The broker is killed: what it acknowledged comes, once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compose.local.servers.broker import find_plugin
from compose.local.servers.rootfs import ensure_rootfs
from tests.acceptance.conftest import Gateways, Pipeline, end_sessions
from tests.acceptance.processes import wait_until
from tests.acceptance.test_faults import publish_many, wait_for_acknowledged
from tests.integration.local.role_client import try_to_connect
from tests.messages import TOPIC, make_payload
from tests.status import read_test_status

pytestmark = pytest.mark.acceptance

COUNT = 5_000


@pytest.fixture
def crash_safe_broker(servers: Any) -> Any:
    """The broker of the run. Without its plugin nothing is promised, and `make up` says so."""
    if find_plugin(ensure_rootfs().path) is None:
        pytest.fail("the crash-safe broker is not installed: see .local/rootfs-build.log")
    return servers.mosquitto


def test_it_loses_nothing_acknowledged_when_the_broker_is_killed_with_a_backlog(
    empty_pipeline: Pipeline, crash_safe_broker: Any, request: pytest.FixtureRequest
) -> None:
    empty_pipeline.add_bridge().stop()  # its session stays and queues
    gateways: Gateways = request.getfixturevalue("gateways")
    wait_for_acknowledged(publish_many(gateways, count=COUNT))
    crash_safe_broker.kill()
    crash_safe_broker.start()
    empty_pipeline.add_bridge()
    empty_pipeline.add_worker("ingest", concurrency=2)
    report = empty_pipeline.wait_for_received(COUNT)
    assert (report.received, report.rows) == (COUNT, COUNT - COUNT // 50)
    assert report.is_balanced


def test_it_loses_nothing_acknowledged_when_the_broker_is_killed_under_load(
    empty_pipeline: Pipeline, crash_safe_broker: Any, request: pytest.FixtureRequest
) -> None:
    """Between the PUBACK and the commit of the broker's round only our plugin holds the message."""
    empty_pipeline.add_bridge()
    empty_pipeline.add_worker("ingest", concurrency=2)
    gateways: Gateways = request.getfixturevalue("gateways")
    infos = publish_many(gateways, count=4 * COUNT)
    for info in infos[COUNT // 2 :: COUNT]:
        info.wait_for_publish(60)  # type: ignore[attr-defined]
        crash_safe_broker.kill()
        crash_safe_broker.start()
    wait_for_acknowledged(infos)
    count = len(infos)
    # What came twice counts as received, too: the last may still wait in the broker by then.
    wait_until(
        lambda: empty_pipeline.report().rows == count - count // 50,
        timeout_s=60,
        what=lambda: f"all are stored: {empty_pipeline.report()}",
    )
    report = empty_pipeline.wait_for_received(count)
    assert report.rows == count - count // 50
    assert report.is_balanced


def test_it_queues_for_a_shared_subscription_whose_bridge_is_not_back_after_a_restart(
    empty_pipeline: Pipeline, crash_safe_broker: Any, request: pytest.FixtureRequest
) -> None:
    """Mosquitto's own file keeps no shared subscription: all was acknowledged and lost."""
    empty_pipeline.add_bridge().stop()
    crash_safe_broker.restart()
    gateways: Gateways = request.getfixturevalue("gateways")
    start = datetime.now(UTC) - timedelta(hours=2)
    for number in range(100):
        at = (start + timedelta(seconds=number)).isoformat()
        gateways.publish_and_wait(TOPIC, make_payload(at=at))
    empty_pipeline.add_bridge()
    empty_pipeline.add_worker("ingest")
    assert empty_pipeline.wait_for_received(100).rows == 100


def test_it_says_that_a_session_was_lost_when_a_bridge_does_not_find_its_own_again(
    empty_pipeline: Pipeline,
) -> None:
    empty_pipeline.add_bridge().stop()
    empty_pipeline.add_bridge().stop()
    assert empty_pipeline.report().broker_lost_sessions == 0
    end_sessions(empty_pipeline)
    empty_pipeline.add_bridge()
    wait_until(
        lambda: empty_pipeline.report().broker_lost_sessions == 1,
        timeout_s=10,
        what="the loss is counted",
    )
    problems = read_test_status(empty_pipeline.queue).problems
    assert any("lost the session of a bridge" in problem for problem in problems)
    assert "session_lost" in empty_pipeline.processes["bridge-1"].read_log()


def test_it_takes_everything_and_names_the_attempt_when_a_gateway_uses_a_bridges_client_id(
    ingesting: Pipeline, gateways: Gateways, servers: Any
) -> None:
    for number in range(20):
        try_to_connect(ingesting.environ, client_id="bridge-1")
        at = (datetime.now(UTC) - timedelta(seconds=30 - number)).isoformat()
        gateways.publish_and_wait(TOPIC, make_payload(at=at))
    assert ingesting.wait_for_received(20).rows == 20
    wait_until(
        lambda: ingesting.report().broker_denials.get("denied_client_id/gateway") == 20,
        timeout_s=10,
        what=lambda: f"the attempts are counted: {ingesting.report().broker_denials}",
    )
    assert ingesting.report().broker_lost_sessions == 0
    ingesting.stop()
    servers.mosquitto.restart()  # its counters begin anew: no other test sees these
