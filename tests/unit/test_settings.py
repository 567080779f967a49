"""The settings reader: one line for every wrong setting; one table for the example file."""

from pathlib import Path

import pytest

from config.env import SettingError, list_settings, read_options
from config.example import render_example
from config.options import ALL_OPTIONS, BridgeOptions, WebOptions

OFF_WITHOUT = ("EMAIL_URL", "OIDC_CLIENT_SECRET", "CA_PASSPHRASE", "CA_ROOT_PASSPHRASE")
BRIDGE = {
    "MQTT_HOST": "broker",
    "MQTT_BRIDGE_USER": "bridge",
    "MQTT_BRIDGE_PASSWORD": "hush",
    "BRIDGE_SHARE_GROUP": "hush",
    "REDIS_URL": "redis://:hush@127.0.0.1/0",
}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MQTT_PORT", "mqtt", "MQTT_PORT='mqtt': expected a whole number from 1 to 65535"),
        ("MQTT_PORT", "0", "MQTT_PORT='0': expected a whole number from 1 to 65535"),
        ("BRIDGE_LINGER_MS", "nan", "BRIDGE_LINGER_MS='nan': expected a number"),
        ("BRIDGE_LINGER_MS", "inf", "BRIDGE_LINGER_MS='inf': expected a number"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT='xml': expected one of console, json"),
        ("MQTT_TOPIC_PREFIX", "a/#", "MQTT_TOPIC_PREFIX='a/#': expected topic levels"),
        ("MQTT_TOPIC_PREFIX", "a/", "MQTT_TOPIC_PREFIX='a/': expected topic levels"),
        ("BRIDGE_CLIENT_ID", "a b", "BRIDGE_CLIENT_ID='a b': expected 1 to 64"),
        ("REDIS_URL", "http://x", "REDIS_URL=(hidden): expected redis://"),
        ("REDIS_URL", "sentinel://a:hush@b,c/0", "expected sentinel://USER:PASSWORD@HOST:PORT"),
        ("REDIS_WAIT_REPLICAS", "-1", "REDIS_WAIT_REPLICAS='-1': expected a whole number"),
        ("MQTT_HOST", "", "MQTT_HOST is not set: expected host name of the MQTT broker"),
        ("MQTT_BRIDGE_PASSWORD", "", "MQTT_BRIDGE_PASSWORD_FILE"),
    ],
)
def test_it_names_setting_value_and_expectation_when_one_is_wrong(
    name: str, value: str, words: str
) -> None:
    with pytest.raises(SettingError) as caught:
        read_options(BridgeOptions, {**BRIDGE, name: value})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("word", ["maybe", "2", "None"])
def test_it_takes_only_words_that_mean_yes_or_no_for_a_switch(word: str) -> None:
    environ = {"DATABASE_URL": "postgres://x/x", "REDIS_URL": "redis://x", "SECRET_KEY": "k" * 50}
    assert read_options(WebOptions, {**environ, "DEBUG": "Yes"}).debug is True
    with pytest.raises(SettingError, match="DEBUG="):
        read_options(WebOptions, {**environ, "DEBUG": word})


def test_it_reads_a_secret_from_the_file_that_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-file\n", encoding="utf-8")
    environ = {**BRIDGE, "MQTT_BRIDGE_PASSWORD": "", "MQTT_BRIDGE_PASSWORD_FILE": str(secret)}
    assert read_options(BridgeOptions, environ).password == "from-file"


def test_it_says_so_when_the_file_of_a_secret_is_missing(tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    environ = {**BRIDGE, "MQTT_BRIDGE_PASSWORD": "", "MQTT_BRIDGE_PASSWORD_FILE": path}
    with pytest.raises(SettingError, match="MQTT_BRIDGE_PASSWORD_FILE="):
        read_options(BridgeOptions, environ)


def test_it_never_shows_a_secret_in_a_representation() -> None:
    assert "hush" not in repr(read_options(BridgeOptions, BRIDGE))


def test_it_has_no_working_default_for_a_secret() -> None:
    for options in ALL_OPTIONS:
        for described, _, default in list_settings(options):
            if described.is_secret:
                # Without it, what needs it is off.
                is_off = default == "" and described.name in OFF_WITHOUT
                assert is_off or not isinstance(default, str), described.name


def test_it_keeps_the_example_file_true() -> None:
    path = Path(__file__).parents[2] / ".env.example"
    assert path.read_text(encoding="utf-8") == render_example(), "run: make env-example"
