"""The small Redis of the simulation behaves as fakeredis; tests/integration has the real one."""

from collections.abc import Callable
from typing import Any

import pytest
from fakeredis import FakeRedis
from redis.exceptions import OutOfMemoryError

from tests.simulation.lean_client import LeanRedis
from tests.simulation.lean_redis import Data
from tests.simulation.redis_suite import assert_alike


def make_lean(clock: Callable[[], float] = lambda: 0.0) -> LeanRedis:
    return LeanRedis(Data(clock))


class FakeWithFlags(FakeRedis):
    """fakeredis does not know the first line that gives a script flags."""

    def register_script(self, script: Any) -> Any:
        return super().register_script(script.removeprefix("#!lua flags=allow-oom"))


@pytest.mark.parametrize("seed", range(10))
def test_it_behaves_as_fakeredis(seed: int) -> None:
    fake = FakeWithFlags(version=(8,))
    assert_alike(make_lean(), fake, seed=seed, steps=100, without=("levels",))  # it has no INFO


def test_it_forgets_a_key_when_its_time_is_over() -> None:
    now = [0.0]
    redis = make_lean(lambda: now[0])
    redis.set("key", "value", ex=5)
    now[0] = 4.9
    assert redis.get("key") == b"value"
    now[0] = 5.0
    assert redis.get("key") is None


def test_it_refuses_scripts_when_it_is_full_that_do_not_say_they_may_run() -> None:
    redis = make_lean()
    redis.data.full_until = 1.0
    needs_room = redis.register_script("return redis.call('SET', KEYS[1], 'x')")
    may_run = redis.register_script(
        "#!lua flags=allow-oom\nredis.call('SET', KEYS[1], 'x') return 1"
    )
    with pytest.raises(OutOfMemoryError):
        needs_room(keys=["a"])
    assert may_run(keys=["b"]) == 1
    assert redis.set("c", "x")
    assert (redis.get("a"), redis.get("b"), redis.get("c")) == (None, b"x", b"x")
