"""What `make up` makes of its variables."""

import pytest

from compose.local.layout import UsageError
from compose.local.ports import DEFAULT_PORTS
from compose.local.stack.request import read_request
from config.env import SettingError

BROKER = {
    "MQTT_HOST": "broker.example",
    "MQTT_BRIDGE_USER": "b",
    "MQTT_BRIDGE_PASSWORD": "one",
    "MQTT_GATEWAY_USER": "g",
    "MQTT_GATEWAY_PASSWORD": "two",
}


def test_it_takes_one_of_each_on_the_default_ports_when_nothing_is_set() -> None:
    request = read_request({}, own={})

    assert (request.workers, request.bridges, request.simulate, request.detach) == (
        1,
        1,
        True,
        False,
    )
    assert request.ports == DEFAULT_PORTS
    assert request.external == {}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("WORKERS", "three", "WORKERS='three': expected a whole number from 1 to 64"),
        ("BRIDGES", "0", "BRIDGES='0': expected a whole number from 1 to 64"),
        ("WORKERS", "65", "WORKERS='65': expected a whole number from 1 to 64"),
        ("SIMULATE", "2", "SIMULATE='2': expected one of 1, true, yes, on, 0, false, no, off"),
        ("WEB_PORT", "80a", "WEB_PORT='80a': expected a whole number from 1 to 65535"),
        ("WEB_PORT", "70000", "WEB_PORT='70000': expected a whole number from 1 to 65535"),
    ],
)
def test_it_names_variable_value_and_expectation_when_one_is_wrong(
    name: str,
    value: str,
    expected: str,
) -> None:
    with pytest.raises(SettingError, match=f"^{expected}$"):
        read_request({name: value}, own={})


def test_it_names_both_variables_when_two_ports_are_the_same() -> None:
    with pytest.raises(UsageError, match="WEB_PORT and FLOWER_PORT are both 5555"):
        read_request({"WEB_PORT": "5555"}, own={})


def test_it_uses_a_broker_that_runs_when_its_settings_are_whole() -> None:
    request = read_request({**BROKER, "MQTT_PORT": "8883"}, own={})

    assert request.external_servers == ["mosquitto"]
    assert request.external["MQTT_PORT"] == "8883"
    assert "MQTT_PORT" not in request.ports


def test_it_asks_for_the_rest_when_only_the_brokers_host_is_set() -> None:
    with pytest.raises(UsageError, match="MQTT_BRIDGE_USER, MQTT_BRIDGE_PASSWORD"):
        read_request({"MQTT_HOST": "broker.example"}, own={})


def test_it_starts_its_own_servers_when_the_shell_has_read_the_stacks_own_settings() -> None:
    own = {**BROKER, "MQTT_HOST": "127.0.0.1", "MQTT_PORT": "1883", "REDIS_URL": "redis://x"}

    request = read_request({**own, "MQTT_PORT": "1884"}, own=own)

    assert request.external == {}
    assert request.ports["MQTT_PORT"] == 1884


def test_it_uses_a_server_that_runs_when_only_the_host_is_that_of_its_own() -> None:
    own = {**BROKER, "MQTT_HOST": "127.0.0.1", "MQTT_BRIDGE_PASSWORD": "of the stack"}

    request = read_request({**BROKER, "MQTT_HOST": "127.0.0.1"}, own=own)

    assert request.external_servers == ["mosquitto"]


def test_it_keeps_the_ports_of_the_running_stack_when_none_are_asked_for() -> None:
    request = read_request({}, own={}, running_ports={"WEB_PORT": 28000})

    assert request.ports["WEB_PORT"] == 28000
    assert request.ports["REDIS_PORT"] == DEFAULT_PORTS["REDIS_PORT"]
