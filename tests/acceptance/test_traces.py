"""A message that a gateway publishes is traced through broker, bridge and pool to its COPY."""

from datetime import UTC, datetime

import pytest

from tests.acceptance.conftest import Gateways, Pipeline
from tests.acceptance.processes import wait_until
from tests.messages import TOPIC, make_payload
from tests.otlp import receive_traces

pytestmark = pytest.mark.acceptance


def test_it_traces_a_message_from_publish_to_copy(
    empty_pipeline: Pipeline, gateways: Gateways
) -> None:
    pipeline = empty_pipeline
    with receive_traces() as sink:
        pipeline.environ |= {"TRACES_URL": sink.url, "TRACES_SHARE": "100"}
        pipeline.add_bridge()
        pipeline.add_worker("ingest")
        gateways.publish(TOPIC, make_payload(at=datetime.now(UTC).isoformat()))
        wait_until(
            lambda: {"receive", "store"} <= {span.name for _, span in sink.spans},
            timeout_s=30,
            what="bridge and worker sent their spans",
        )
        by_name = {span.name: (service, span) for service, span in sink.spans}
        assert by_name["receive"][0] == "tds-bridge"
        assert by_name["store"][0] == "tds-ingest"
        (batch_id,) = pipeline.connection.execute("SELECT id FROM batch").fetchone() or ("",)
        traces = {span.trace_id.hex() for _, span in sink.spans}
        assert traces == {f"{batch_id[:12]}0000{batch_id[13:]}0000"}
