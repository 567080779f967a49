"""Rate limits: counted in Redis by user, told in every answer, never in the way when Redis is."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from redis import Redis

from telemetry.accounts import counter as counting
from telemetry.accounts.counter import Counter, find_counter
from telemetry.accounts.tokens import issue_token
from telemetry.api import limits
from telemetry.models import Account, Device, User
from tests.integration.api.conftest import ALL_SCOPES, call_with, make_user, read_problem

pytestmark = pytest.mark.integration

ME = "/api/v1/me"


@pytest.fixture
def redis(servers: Any, seeded: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """A real Redis, in which this process counts; three requests and two exports a minute."""
    url = servers.environ["REDIS_URL"]
    options = settings.OPTIONS
    few = replace(options.api, requests_per_minute=3, exports_per_minute=2)
    changed = replace(options, redis=replace(options.redis, url=url), api=few)
    monkeypatch.setattr(settings, "OPTIONS", changed)
    monkeypatch.setattr(limits.time, "time", lambda: 1_700_000_000.0)  # 20 s into its minute
    with Redis.from_url(url) as client:
        for key in client.scan_iter("api:*"):
            client.delete(key)
        yield client
    find_counter.cache_clear()


@pytest.fixture
def user(own: Account) -> User:
    return make_user(owner=own)


def make_client(user: User) -> Client:
    return call_with(issue_token(user, name="x", scopes=ALL_SCOPES)[1])


def test_it_tells_what_is_left_and_refuses_above_the_limit(redis: Redis, user: User) -> None:
    client = make_client(user)
    for left in (2, 1, 0):
        response = client.get(ME)
        assert response.status_code == 200
        assert response.headers["RateLimit-Policy"] == '"requests";q=3;w=60'
        assert response.headers["RateLimit"] == f'"requests";r={left};t=40'
    response = client.get(ME)
    problem = read_problem(response, status=429)
    assert problem["type"].endswith(":rate-limited")
    assert problem["detail"] == "At most 3 requests a minute: try again in 40 s."
    assert response.headers["Retry-After"] == "40"
    assert response.headers["RateLimit"] == '"requests";r=0;t=40'


def test_it_counts_a_user_and_not_a_token(redis: Redis, user: User, own: Account) -> None:
    clients = [make_client(user) for _ in range(3)]
    session = Client()
    session.force_login(user)
    assert [client.get(ME).status_code for client in clients] == [200] * 3
    read_problem(session.get(ME), status=429)
    assert make_client(make_user(owner=own)).get(ME).status_code == 200


def test_it_begins_anew_with_the_next_minute(
    redis: Redis, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(user)
    assert [client.get(ME).status_code for _ in range(4)] == [200, 200, 200, 429]
    monkeypatch.setattr(limits.time, "time", lambda: 1_700_000_040.0)
    assert client.get(ME).headers["RateLimit"] == '"requests";r=2;t=60'


def test_it_leaves_nothing_in_redis_for_ever(redis: Redis, user: User) -> None:
    make_client(user).get(ME)
    [key] = redis.scan_iter("api:*")
    assert 0 < redis.ttl(key) <= 60


def test_it_counts_exports_by_themselves(redis: Redis, user: User, own: Account) -> None:
    client, path = make_client(user), f"/api/v1/accounts/{own.pk}/readings/export"
    for left in (1, 0):
        response = client.get(path)
        assert response.getvalue()
        assert response.headers["RateLimit"].split(", ")[1] == f'"exports";r={left};t=40'
    assert "2 exports a minute" in read_problem(client.get(path), status=429)["detail"]


def test_it_counts_no_export_that_was_refused(redis: Redis, user: User, own: Account) -> None:
    client, path = make_client(user), f"/api/v1/accounts/{own.pk}/readings/export"
    device = Device.objects.exclude(account=own)[0]
    read_problem(client.get(path, {"device_id": device.pk}), status=404)
    read_problem(client.get(path, {"since": "x"}), status=422)
    assert list(redis.scan_iter("api:exports:*")) == []


def test_it_sets_no_limit_when_that_is_set(
    redis: Redis, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = replace(settings.OPTIONS.api, requests_per_minute=0)
    monkeypatch.setattr(settings, "OPTIONS", replace(settings.OPTIONS, api=none))
    response = make_client(user).get(ME)
    assert response.status_code == 200
    assert "RateLimit" not in response.headers


def test_it_counts_nothing_for_a_token_that_is_wrong(redis: Redis, own: Account) -> None:
    read_problem(call_with("tds_" + "A" * 43).get(ME), status=401)
    assert list(redis.scan_iter("api:*")) == []


def test_it_answers_without_counting_when_redis_is_away(own: Account, user: User) -> None:
    """Nothing listens at the address that the tests' settings name."""
    client = make_client(user)
    response = client.get(ME)
    assert response.status_code == 200
    assert "RateLimit" not in response.headers


class Hanging:
    """A Redis that does not answer until the client gives up."""

    calls = 0

    def pipeline(self, **_: Any) -> Any:
        self.calls += 1
        raise TimeoutError("gave up")


def test_it_asks_a_redis_that_hangs_once_in_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, now = Hanging(), time.monotonic()
    counter = Counter(hanging)  # type: ignore[arg-type]
    assert [counter.count("key", window_s=60) for _ in range(50)] == [None] * 50
    assert hanging.calls == 1
    monkeypatch.setattr(counting.time, "monotonic", lambda: now + 60)
    counter.count("key", window_s=60)
    assert hanging.calls == 2
