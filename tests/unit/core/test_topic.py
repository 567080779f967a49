"""Topics: their forms, and the gateways that they name."""

import pytest

from telemetry.core.reasons import Reason
from telemetry.core.topic import compile_topic, parse_topic
from tests.unit.core.payloads import GATEWAYS, MAC, TOPIC, message, validate


@pytest.mark.parametrize(
    "topic",
    [
        "tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry\n",
        "tds_new/devices/not-a-mac/telemetry",
        "x/tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry",
        "tds_new/devices/aa:bb-cc:dd-ee:ff/telemetry",
        "tds_new/devices/aabbccddeef/telemetry",
        "tds_new/devices/aabb.ccdd.eeff/telemetry",
        "tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry/",
        "tds_new/devices/aa:bb:cc:dd:ee:ff/Telemetry",
        "tds_new/device/aa:bb:cc:dd:ee:ff/telemetry",
        "tds_new/devices/\u0661a:bb:cc:dd:ee:ff/telemetry",
    ],
)
def test_it_rejects_a_topic_when_it_has_another_form(topic: str) -> None:
    assert parse_topic(topic, compile_topic("tds_new")) is None


def test_it_lowers_the_mac_when_the_topic_has_upper_case() -> None:
    assert (
        parse_topic(
            TOPIC.upper()
            .replace("TDS_NEW/DEVICES", "tds_new/devices")
            .replace("TELEMETRY", "telemetry"),
            compile_topic("tds_new"),
        )
        == MAC
    )


@pytest.mark.parametrize("mac", ["AA-BB-CC-DD-EE-FF", "aabbccddeeff", "Aa:bB:cC:dD:eE:fF"])
def test_it_knows_a_mac_in_every_form_of_topic_and_payload(mac: str) -> None:
    topic = f"tds_new/devices/{mac}/telemetry"
    assert parse_topic(topic, compile_topic("tds_new")) == MAC
    validated_message = validate(message(gateway_mac=mac.swapcase()), topic=topic)
    assert (validated_message.mac, len(validated_message.good)) == (MAC, 1)


@pytest.mark.parametrize(
    "topic",
    [
        "tds_new/devices/AA-BB-CC-DD-EE-FF/telemetry/",
        "tds_new/device/aabbccddeeff/Telemetry",
        "tds_new/aa:bb:cc:dd:ee:ff",
        "tds_new/de:ad:be:ef:00:01/aa:bb:cc:dd:ee:ff ",
        "tds_new/devices/aabbccddeeff-telemetry",
        "tds_new/devices/aa:bb:cc:dd:ee:ff-telemetry",
        "tds_new/devices/aa-bb-cc-dd-ee-ff-data",
        "tds_new/devices-aabbccddeeff/telemetry",
        "tds_new/device-aa-bb-cc-dd-ee-ff/telemetry",
        "tds_new/mac:aabbccddeeff/telemetry",
        "tds_new/devices/aa:bb:cc:dd:ee:ff:/telemetry",
        "tds_new/devices_aa:bb:cc:dd:ee:ff_telemetry",
    ],
)
def test_it_names_the_gateway_when_a_wrong_topic_shows_its_mac(topic: str) -> None:
    validated_message = validate(message(), topic=topic)
    assert [rejection.reason for rejection in validated_message.rejections] == [Reason.BAD_TOPIC]
    assert validated_message.gateway == GATEWAYS[MAC]
    assert (
        validated_message.mac == ""
    )  # or the reject guard would count the gateway as one that is rejected


@pytest.mark.parametrize(
    "topic",
    [
        "x",
        "tds_new/00aabbccddeeff00/telemetry",
        "tds_new/de:ad:be:ef:00:01/x",
        "/" * 9,
        "tds_new/devices/00:aa:bb:cc:dd:ee:ff/telemetry",
        "tds_new/devices/aa:bb:cc:dd:ee:ff:00/telemetry",
        "tds_new/devices/xaabbccddeeff/telemetry",
        "tds_new/devices/aabbccddeeffx/telemetry",
        "tds_new/550e8400-e29b-41d4-a716-aabbccddeeff/telemetry",
        "tds_new/aa-bb:cc:dd:ee:ff/telemetry",
    ],
)
def test_it_names_no_gateway_when_a_wrong_topic_shows_none_that_is_registered(topic: str) -> None:
    validated_message = validate(message(), topic=topic)
    assert (validated_message.mac, validated_message.gateway) == ("", None)
