"""Addresses of Sentinels, for Redis and for Celery."""

import pytest

from config.env import SettingError
from config.full_redis import SmallWrites
from config.options import RedisOptions
from config.options.shared import Sentinels, parse_sentinels
from config.queue import connect_redis, make_broker

URL = "sentinel://web:p%40ss@a.example,b.example:5000,[::1]:5001/2?master=tds"


def test_it_reads_every_part() -> None:
    hosts = (("a.example", 26379), ("b.example", 5000), ("::1", 5001))
    assert parse_sentinels(URL) == Sentinels(hosts, "tds", "web", "p@ss", 2)


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://web:hush@a/0",
        "sentinel://web:hush@a:x/0?master=tds",
        "sentinel://web:hush@/0?master=tds",
        "sentinel://web:hush@a/b?master=tds",
    ],
    ids=["no master", "a port that is no number", "no host", "a database that is no number"],
)
def test_it_refuses_what_cannot_be_read_without_a_secret(url: str) -> None:
    with pytest.raises(SettingError, match="expected sentinel://") as caught:
        RedisOptions(url)
    assert "hush" not in str(caught.value)


def test_celery_gets_an_address_for_each_and_the_name_of_the_master() -> None:
    broker, options = make_broker(URL)
    hosts = ("a.example:26379", "b.example:5000", "[::1]:5001")
    assert broker == ";".join(f"sentinel://web:p%40ss@{host}/2" for host in hosts)
    assert options["master_name"] == "tds"
    assert make_broker("redis://a/0") == ("redis://a/0", {})


def test_a_client_asks_sentinels_for_the_master() -> None:
    client = connect_redis(RedisOptions(URL))
    assert isinstance(client, SmallWrites)
    assert client.connection_pool.service_name == "tds"  # type: ignore[attr-defined]


def test_replicas_are_waited_for_within_the_time_of_an_answer() -> None:
    with pytest.raises(SettingError, match="REDIS_SOCKET_TIMEOUT_S=1: expected at least 2"):
        RedisOptions("redis://a/0", socket_timeout_s=1, wait_replicas=1)
