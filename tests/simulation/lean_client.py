"""The client of the small Redis: what redis-py offers, as far as the product asks for it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from tests.simulation.lean_redis import SCRIPTS, Data, Gate, to_bytes


def pass_through(_label: str, effect: Callable[[], Any]) -> Any:
    """A gate that nothing stops."""
    return effect()


class LeanRedis:
    """Every call goes through `gate`, which may do more or less than what is asked. As
    `config.full_redis.SmallWrites`, commands and transactions pass when Redis is full."""

    def __init__(self, data: Data, gate: Gate = pass_through) -> None:
        self.data = data
        self.gate = gate
        self.sleep: Callable[[float, Callable[[], bool]], None] = lambda _seconds, _until: None

    def _run(self, name: str, *arguments: Any) -> Any:
        return self.gate(name, lambda: self.data.run(name, *arguments, may_exceed=True))

    def register_script(self, text: str) -> "Script":
        """A callable with `keys` and `args`."""
        return Script(self, text)

    def evalsha(self, sha: str, count: int, *words: Any) -> Any:
        """`sha` is the text here."""
        keys, args = words[:count], words[count:]
        return self.gate(describe(sha), lambda: SCRIPTS.run(self.data, sha, keys, args))

    def brpop(self, keys: list[str], timeout: float) -> Any:
        """Waits as the world does, or not at all."""
        key = keys[0].encode()
        self.sleep(timeout, lambda: key in self.data.keys)
        return self._run("RPOP", key)

    def pipeline(self, *, transaction: bool) -> "Pipeline":
        """Commands that go in one round trip."""
        return Pipeline(self)

    def get(self, key: Any) -> Any:
        return self._run("GET", key)

    def set(self, key: Any, value: Any, ex: int | None = None) -> bool:
        return self._run("SET", key, value, *(() if ex is None else ("EX", ex))) == b"OK"

    def delete(self, *keys: Any) -> int:
        return int(self._run("DEL", *keys))

    def exists(self, *keys: Any) -> int:
        return int(self._run("EXISTS", *keys))

    def expire(self, key: Any, seconds: int) -> bool:
        return bool(self._run("EXPIRE", key, seconds))

    def hget(self, key: Any, field: Any) -> Any:
        return self._run("HGET", key, field)

    def hmget(self, key: Any, fields: list[Any]) -> Any:
        return self._run("HMGET", key, *fields)

    def hgetall(self, key: Any) -> Any:
        return self._run("HGETALL", key)

    def hvals(self, key: Any) -> Any:
        return self._run("HVALS", key)

    def hset(
        self,
        name: Any,
        key: Any = None,
        value: Any = None,
        mapping: Mapping[Any, Any] | None = None,
    ) -> int:
        pairs = {key: value} if mapping is None else mapping
        return int(self._run("HSET", name, *(part for pair in pairs.items() for part in pair)))

    def hincrby(self, key: Any, field: Any, by: int) -> int:
        return int(self._run("HINCRBY", key, field, by))

    def hdel(self, key: Any, *fields: Any) -> int:
        return int(self._run("HDEL", key, *fields))

    def lpush(self, key: Any, *values: Any) -> int:
        return int(self._run("LPUSH", key, *values))

    def rpush(self, key: Any, *values: Any) -> int:
        return int(self._run("RPUSH", key, *values))

    def lrem(self, key: Any, count: int, value: Any) -> int:
        return int(self._run("LREM", key, count, value))

    def rpop(self, key: Any) -> Any:
        return self._run("RPOP", key)

    def lpop(self, key: Any, count: int | None = None) -> Any:
        return self._run("LPOP", key, *(() if count is None else (count,)))

    def llen(self, key: Any) -> int:
        return int(self._run("LLEN", key))

    def lrange(self, key: Any, start: int, stop: int) -> Any:
        return self._run("LRANGE", key, start, stop)

    def zadd(self, key: Any, scores: Mapping[Any, float], *, xx: bool = False) -> int:
        if xx:
            scores = {member: at for member, at in scores.items() if self._holds(key, member)}
        return int(
            self._run("ZADD", key, *(p for member, at in scores.items() for p in (at, member)))
        )

    def _holds(self, key: Any, member: Any) -> bool:
        return to_bytes(member) in self.data.keys.get(to_bytes(key), {})

    def zrem(self, key: Any, *members: Any) -> int:
        return int(self._run("ZREM", key, *members))

    def zrange(self, key: Any, start: int, stop: int, *, withscores: bool = False) -> Any:
        found = self._run("ZRANGE", key, start, stop, *(("WITHSCORES",) if withscores else ()))
        return _pair(found) if withscores else found

    def zcard(self, key: Any) -> int:
        return int(self._run("ZCARD", key))

    def zrandmember(self, key: Any, count: int) -> Any:
        return self._run("ZRANDMEMBER", key, count)

    def zrangebyscore(self, key: Any, low: Any, high: Any, *, withscores: bool = False) -> Any:
        found = self._run("ZRANGEBYSCORE", key, low, high, *(("WITHSCORES",) if withscores else ()))
        return _pair(found) if withscores else found

    def zremrangebyscore(self, key: Any, low: Any, high: Any) -> int:
        return int(self._run("ZREMRANGEBYSCORE", key, low, high))

    def scan_iter(self, *, match: str, count: int) -> Iterator[bytes]:
        found = self.gate("SCAN", lambda: list(self.data.keys))
        return iter([key for key in found if fnmatchcase(key.decode(), match)])

    def zscan_iter(self, key: Any, *, match: str, count: int) -> Iterator[tuple[bytes, float]]:
        found = self.gate("ZSCAN", lambda: list(self.data.keys.get(to_bytes(key), {}).items()))
        return iter([pair for pair in found if fnmatchcase(pair[0].decode(), match)])

    def info(self, _section: str) -> dict[str, int]:
        return self.gate("INFO", self.data.describe_memory)


class Script:
    """A script of a client."""

    def __init__(self, client: LeanRedis, text: str) -> None:
        self.sha = text
        self._client = client

    def __call__(self, keys: Sequence[Any], args: Sequence[Any] = ()) -> Any:
        return self._client.evalsha(self.sha, len(keys), *keys, *args)


@cache
def describe(script: str) -> str:
    """The first sentence of a script's first comment, or its first line."""
    lines = [line for line in script.splitlines() if line and not line.startswith("#!")]
    return lines[0].removeprefix("-- ").partition(".")[0].partition(":")[0][:60]


class Pipeline:
    """Collects commands; `execute` sends them."""

    def __init__(self, client: LeanRedis) -> None:
        self._client = client
        self._calls: list[Callable[[LeanRedis], Any]] = []
        self._is_scripted = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        self._is_scripted |= name == "evalsha"

        def add(*arguments: Any, **named: Any) -> None:
            self._calls.append(lambda client: getattr(client, name)(*arguments, **named))

        return add

    def execute(self) -> list[Any]:
        """Send everything in one go. Scripts are steps of their own: others come between."""
        if self._is_scripted:
            return [call(self._client) for call in self._calls]
        behind = LeanRedis(self._client.data)
        return self._client.gate("PIPELINE", lambda: [call(behind) for call in self._calls])


def _pair(found: list[bytes]) -> list[tuple[bytes, float]]:
    return list(zip(found[::2], map(float, found[1::2]), strict=True))
