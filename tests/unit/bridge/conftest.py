"""A session with stock paho and with bulk reading, with and without TLS, and a bridge."""

from collections.abc import Iterator

import pytest

from tests.unit.bridge.broker import Broker
from tests.unit.bridge.rig import Rig


@pytest.fixture(
    params=[(False, False), (True, False), (False, True), (True, True)],
    ids=["stock", "bulk", "stock over TLS", "bulk over TLS"],
)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    bulk, tls = request.param
    made = Broker(bulk=bulk, tls=tls)
    made.accept()
    yield made
    made.close()


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)
