"""Every process stops with one line and exit code 2 when a setting is wrong."""

import os

import pytest

from tests import forks

GOOD = {
    "SECRET_KEY": "k" * 60,
    "DEMO": "1",
    "DATABASE_URL": "postgres://u:hush@127.0.0.1:1/x",
    "REDIS_URL": "redis://:hush@127.0.0.1:1/0",
    "MQTT_HOST": "127.0.0.1",
    "MQTT_BRIDGE_USER": "bridge",
    "MQTT_BRIDGE_PASSWORD": "hush",
    "BRIDGE_SHARE_GROUP": "hush",
}
CELERY = ("-m", "celery", "-A", "config")


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (("-m", "ingest_bridge"), "MQTT_PORT", "many"),
        (("-m", "ingest_bridge"), "REDIS_URL", "http://hush"),
        (("-m", "celery", "-A", "config.ingest", "worker"), "DATABASE_URL", "mysql://hush"),
        ((*CELERY, "worker", "-Q", "maintenance"), "REDIS_URL", "http://hush"),
        ((*CELERY, "beat"), "DATABASE_URL", ""),
        ((*CELERY, "flower"), "REDIS_URL", ""),
        (("manage.py", "delivery_report"), "SECRET_KEY", ""),
        (("manage.py", "check"), "LOG_FORMAT", "xml"),
    ],
    ids=lambda given: given[-1] if isinstance(given, tuple) else given or "empty",
)
def test_it_stops_with_one_line_when_a_setting_is_wrong(
    arguments: tuple[str, ...], name: str, value: str
) -> None:
    environ = {key: text for key, text in os.environ.items() if not key.startswith("DJANGO_")}
    done = forks.run(arguments, {**environ, **GOOD, name: value})
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.strip().splitlines()
    assert line.startswith(f"error: {name}")
    assert "hush" not in line
