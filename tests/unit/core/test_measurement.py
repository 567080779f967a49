"""Every module that decides by measurement knows all of them."""

import pytest

from telemetry.api import schemas
from telemetry.core.consumption import Meter
from telemetry.core.measurement import MEASUREMENTS, Measurement
from telemetry.fleet.load import DeviceSpec
from telemetry.models import Device
from telemetry.simulator.registration import DEVICES
from telemetry.web.device.params import QUANTITIES
from telemetry.web.fleet.rows import MEASUREMENTS as LABELS


def test_it_has_one_list_of_measurements() -> None:
    assert set(MEASUREMENTS) == set(Device.Measurement.values)
    assert {device["measurement"] for device in DEVICES} <= set(MEASUREMENTS)
    for model in (Meter, DeviceSpec, schemas.Device):
        assert model.__annotations__["measurement"] == Measurement


@pytest.mark.parametrize("known", [QUANTITIES, LABELS], ids=["charts", "labels"])
def test_it_shows_every_measurement(known: dict[str, object]) -> None:
    assert set(known) == set(MEASUREMENTS)
