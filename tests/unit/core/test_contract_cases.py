"""All cases of the message contract, in order, through decoder and validator alone."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from telemetry.core.batch import RawMessage
from telemetry.core.fleet_cache import DeviceEntry, GatewayEntry
from telemetry.core.topic import compile_topic, parse_topic
from telemetry.core.validator import Contract, Validator
from tests.conftest import CONTRACT
from tests.contract_cases import CASES, fill_in

START = datetime(2026, 11, 28, 12, tzinfo=UTC)


def read_fleet() -> dict[str, GatewayEntry]:
    fleet = json.loads((CONTRACT / "fleet.json").read_text(encoding="utf-8"))
    closed = {each["name"] for each in fleet["accounts"] if not each.get("is_active", True)}
    return {
        gateway["mac"]: GatewayEntry(
            number,
            1,
            gateway["mac"],
            gateway.get("is_active", True) and gateway["account"] not in closed,
            {
                device["code"]: DeviceEntry(
                    100 * number + place,
                    device.get("is_active", True),
                    device["kind"] == "meter",
                    device["unit"],
                )
                for place, device in enumerate(gateway["devices"])
            },
        )
        for number, gateway in enumerate(fleet["gateways"], 1)
    }


class MemoryDatabase:
    """What the database would do with good readings: the first one of a key stands."""

    def __init__(self) -> None:
        contract = Contract(
            compile_topic("tds_new"), 65_536, timedelta(minutes=5), timedelta(days=400)
        )
        self._pattern = contract.topic_pattern
        self._validator = Validator(contract, read_fleet(), received_at=START)
        self._stored: dict[tuple[int, int], int] = {}

    def store(self, message: RawMessage) -> dict[str, Any]:
        validated_message = self._validator.validate(
            message, parse_topic(message.topic, self._pattern)
        )
        rejected = [str(rejection.reason) for rejection in validated_message.rejections]
        stored = duplicate = 0
        for row in validated_message.good:
            before = self._stored.get(row[:2])
            stored += before is None
            duplicate += before == row[2]
            if before not in (None, row[2]):
                rejected.append("conflicting_reading")
            self._stored.setdefault(row[:2], row[2])
        return {"stored": stored, "duplicate": duplicate, "rejected": sorted(rejected)}


def test_it_validates_every_case_as_the_contract_says(subtests: Iterator[Any]) -> None:
    database = MemoryDatabase()
    for case in CASES:
        with subtests.test(case["name"]):  # type: ignore[attr-defined]
            expected = {**case["expect"], "rejected": sorted(case["expect"]["rejected"])}
            assert database.store(RawMessage(case["topic"], fill_in(case, START))) == expected
