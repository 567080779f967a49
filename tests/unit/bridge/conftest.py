"""A session with stock paho and with bulk reading, and a bridge."""

from collections.abc import Iterator

import pytest

from tests.unit.bridge.broker import Broker
from tests.unit.bridge.rig import Rig


@pytest.fixture(params=[False, True], ids=["stock", "bulk"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    made = Broker(bulk=request.param)
    made.accept()
    yield made
    made.close()


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)
