"""The page of the message contract (`telemetry/core/README.md`) says what the code does."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.env import list_settings
from config.options import ContractOptions, TopicOptions
from telemetry.core.batch import RawMessage
from telemetry.core.items import MAX_READINGS
from telemetry.core.reasons import Reason
from telemetry.core.texts import MAX_CODE_LENGTH, MAX_UNIT_LENGTH
from telemetry.core.topic import compile_topic, parse_topic
from telemetry.core.validator import Contract, Validator
from tests.unit.core.test_contract_cases import read_fleet

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "telemetry/core/README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
TOPIC = "tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry"
DEFAULTS = {
    described.name: default
    for options in (ContractOptions, TopicOptions)
    for described, _, default in list_settings(options)
}
AT = datetime(2026, 2, 18, 12, 47, tzinfo=UTC)


def test_it_explains_every_reason_in_the_order_of_the_checks() -> None:
    table = PAGE.split("## Reason codes")[1]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(Reason)


def test_it_names_the_limits_that_hold() -> None:
    assert DEFAULTS["MAX_PAYLOAD_BYTES"] == 64 * 1024
    assert "at most 64 KiB" in PAGE
    assert f"At most {DEFAULTS['MAX_CLOCK_AHEAD_S'] // 60} minutes ahead" in PAGE
    assert f"at most {DEFAULTS['MAX_LATENESS_DAYS']} days behind" in PAGE
    assert f"by default `{DEFAULTS['MQTT_TOPIC_PREFIX']}`" in PAGE
    assert f"1 to {MAX_READINGS} |" in PAGE
    assert f"1 to {MAX_CODE_LENGTH} characters" in PAGE
    assert f"1 to {MAX_UNIT_LENGTH} characters" in PAGE


@pytest.mark.parametrize(
    ("number", "good", "reasons"),
    [(0, 1, []), (1, 3, []), (2, 0, ["bad_schema"]), (3, 1, ["bad_value"])],
    ids=["the smallest", "all that is allowed", "no gateway_mac", "a decimal comma"],
)
def test_it_shows_examples_that_end_as_it_says(number: int, good: int, reasons: list[str]) -> None:
    pattern = compile_topic("tds_new")
    contract = Contract(pattern, 65_536, timedelta(minutes=5), timedelta(days=400))
    message = RawMessage(TOPIC, EXAMPLES[number].encode())
    validator = Validator(contract, read_fleet(), received_at=AT)
    validated = validator.validate(message, parse_topic(TOPIC, pattern))
    assert len(validated.good) == good
    assert [str(each.reason) for each in validated.rejections] == reasons
