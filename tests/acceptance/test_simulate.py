"""The simulator knows what must become of each message, good or bad in every way it can."""

import pytest

from telemetry.queue.statuses import ONLINE_KEY
from tests.acceptance.conftest import Pipeline, fetch

pytestmark = pytest.mark.acceptance


def test_it_finds_in_the_database_what_it_expects_of_every_kind_of_message(
    ingesting: Pipeline,
) -> None:
    options = {"gateways": 5, "rate": 200, "count": 400, "bad-share": 0.5, "seed": 3}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    run = ingesting.add("simulate", "manage.py", "simulate", *arguments, "--verify")
    assert run.wait(timeout_s=90) == 0, run.read_log()
    assert ingesting.queue.redis.zcard(ONLINE_KEY) == options["gateways"]
    [(count, have_gateway)] = fetch(
        ingesting.connection,
        "SELECT count(*), bool_and(gateway_id IS NOT NULL AND account_id IS NOT NULL)"
        " FROM dead_letter WHERE reason = 'bad_topic' AND topic LIKE '%/Telemetry'",
    )
    assert (count > 0, have_gateway) == (True, True)


@pytest.mark.parametrize("bulk_read", ["true", "false"])
def test_it_finds_the_same_when_bridge_and_simulator_speak_tls(
    empty_pipeline: Pipeline, bulk_read: str
) -> None:
    folder = empty_pipeline.environ["MQTT_TLS_FOLDER"]
    tls = {
        "MQTT_PORT": empty_pipeline.environ["MQTT_SERVICE_PORT"],
        "MQTT_TLS_CA_FILE": f"{folder}/ca.crt",
        "MQTT_TLS_CERT_FILE": f"{folder}/service.crt",
        "MQTT_TLS_KEY_FILE": f"{folder}/service.key",
    }
    empty_pipeline.add_bridge(**tls, BRIDGE_BULK_READ=bulk_read)
    empty_pipeline.add_worker("ingest")
    arguments = ("--gateways", "5", "--rate", "0", "--count", "5000", "--verify")
    run = empty_pipeline.add("simulate", "manage.py", "simulate", *arguments, **tls)
    assert run.wait(timeout_s=90) == 0, run.read_log()
    assert empty_pipeline.report().stored == 5000
