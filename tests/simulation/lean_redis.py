"""A small Redis in memory: the commands and scripts that the product uses, and nothing else.

The real Lua files run, compiled once. `tests/simulation/redis_suite.py` holds it, fakeredis and the
real server to one behaviour; it is here because fakeredis takes ten times as long for a call.
"""

import json
from bisect import insort
from collections.abc import Callable, Iterable
from typing import Any

from lupa.luajit21 import LuaRuntime
from redis.exceptions import OutOfMemoryError

FOREVER = float("inf")
Gate = Callable[[str, Callable[[], Any]], Any]
DENIED_WHEN_FULL = frozenset({"SET", "HSET", "HINCRBY", "ZADD", "LPUSH", "RPUSH", "SADD"})
WRITES = DENIED_WHEN_FULL | {
    "DEL", "ZREM", "ZREMRANGEBYSCORE", "HDEL", "SREM", "RPOP", "LPOP", "LREM", "EXPIRE"
}  # fmt: skip


def to_bytes(value: Any) -> bytes:
    """As redis-py encodes arguments, and as Redis turns Lua's numbers into text."""
    kind = value.__class__
    if kind is bytes:
        return value
    if kind is str:
        return value.encode()
    if kind is float and value != int(value):
        return repr(value).encode()
    return b"%d" % value


class Data:
    """What a server holds. Commands take and give bytes, as scripts see them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.keys: dict[bytes, Any] = {}
        self.expires: dict[bytes, float] = {}
        self.full_until = 0.0
        self._next_expiry = FOREVER
        self.writes = 0  # commands that may have changed something
        self._commands: dict[str, Callable[..., Any]] = {}

    @property
    def is_full(self) -> bool:
        """Whether writes that need room are refused."""
        return self._clock() < self.full_until

    def run(self, name: str, *arguments: Any, may_exceed: bool = False) -> Any:
        """One command. Raises `OutOfMemoryError` as a server does that is full."""
        if self.full_until and not may_exceed and name in DENIED_WHEN_FULL and self.is_full:
            raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
        if self._clock() >= self._next_expiry:
            self._drop_expired()
        if name in WRITES:
            self.writes += 1
        command = self._commands.get(name)
        if command is None:
            command = self._commands[name] = getattr(self, f"_{name.lower()}")
        return command(*[one if one.__class__ is bytes else to_bytes(one) for one in arguments])

    def describe_memory(self) -> dict[str, int]:
        """What INFO says of it."""
        return {"used_memory": 100 if self.is_full else 1, "maxmemory": 100}

    def _drop_expired(self) -> None:
        now = self._clock()
        for key in [key for key, at in self.expires.items() if at <= now]:
            del self.expires[key]
            self.keys.pop(key, None)
        self._next_expiry = min(self.expires.values(), default=FOREVER)

    def _expire_in(self, key: bytes, seconds: bytes) -> None:
        self.expires[key] = self._clock() + int(seconds)
        self._next_expiry = min(self._next_expiry, self.expires[key])

    def _make(self, key: bytes, kind: type) -> Any:
        return self.keys.setdefault(key, kind())

    def _drop_empty(self, key: bytes) -> None:
        if not self.keys.get(key, True):
            del self.keys[key]

    def _get(self, key: bytes) -> bytes | None:
        return self.keys.get(key)

    def _set(self, key: bytes, value: bytes, *options: bytes) -> bytes:
        self.keys[key] = value
        self.expires.pop(key, None)
        if options:
            self._expire_in(key, options[1])
        return b"OK"

    def _del(self, *keys: bytes) -> int:
        return sum(self.keys.pop(key, None) is not None for key in keys)

    def _exists(self, *keys: bytes) -> int:
        return sum(key in self.keys for key in keys)

    def _expire(self, key: bytes, seconds: bytes) -> int:
        if key not in self.keys:
            return 0
        self._expire_in(key, seconds)
        return 1

    def _hget(self, key: bytes, field: bytes) -> bytes | None:
        return self.keys.get(key, {}).get(field)

    def _hmget(self, key: bytes, *fields: bytes) -> list[bytes | None]:
        held = self.keys.get(key, {})
        return [held.get(field) for field in fields]

    def _hgetall(self, key: bytes) -> dict[bytes, bytes]:
        return dict(self.keys.get(key, {}))

    def _hvals(self, key: bytes) -> list[bytes]:
        return list(self.keys.get(key, {}).values())

    def _hset(self, key: bytes, *pairs: bytes) -> int:
        held = self._make(key, dict)
        before = len(held)
        held.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(held) - before

    def _hincrby(self, key: bytes, field: bytes, by: bytes) -> int:
        held = self._make(key, dict)
        value = int(held.get(field, 0)) + int(by)
        held[field] = b"%d" % value
        return value

    def _hdel(self, key: bytes, *fields: bytes) -> int:
        held = self.keys.get(key, {})
        removed = sum(held.pop(field, None) is not None for field in fields)
        self._drop_empty(key)
        return removed

    def _sadd(self, key: bytes, *members: bytes) -> int:
        held = self._make(key, set)
        before = len(held)
        held.update(members)
        return len(held) - before

    def _sismember(self, key: bytes, member: bytes) -> int:
        return int(member in self.keys.get(key, set()))

    def _srem(self, key: bytes, *members: bytes) -> int:
        held = self.keys.get(key, set())
        before = len(held)
        held.difference_update(members)
        after = len(held)
        self._drop_empty(key)
        return before - after

    def _lpush(self, key: bytes, *values: bytes) -> int:
        held = self._make(key, list)
        for value in values:
            held.insert(0, value)
        return len(held)

    def _rpush(self, key: bytes, *values: bytes) -> int:
        held = self._make(key, list)
        held.extend(values)
        return len(held)

    def _lindex(self, key: bytes, at: bytes) -> bytes | None:
        held = self.keys.get(key, [])
        return held[int(at)] if -len(held) <= int(at) < len(held) else None

    def _lrem(self, key: bytes, _count: bytes, value: bytes) -> int:
        held = self.keys.get(key, [])
        before = len(held)
        held[:] = [one for one in held if one != value]
        after = len(held)
        self._drop_empty(key)
        return before - after

    def _time(self) -> list[bytes]:
        seconds, part = divmod(self._clock(), 1)
        return [b"%d" % seconds, b"%d" % (part * 1_000_000)]

    def _rpop(self, key: bytes) -> bytes | None:
        held = self.keys.get(key)
        if not held:
            return None
        value: bytes = held.pop()
        self._drop_empty(key)
        return value

    def _lpop(self, key: bytes, *count: bytes) -> Any:
        held = self.keys.get(key, [])
        taken = [held.pop(0) for _ in range(min(len(held), int(count[0]) if count else 1))]
        self._drop_empty(key)
        return taken if count else (taken[0] if taken else None)

    def _llen(self, key: bytes) -> int:
        return len(self.keys.get(key, ()))

    def _lrange(self, key: bytes, start: bytes, stop: bytes) -> list[bytes]:
        held = self.keys.get(key, [])
        last = int(stop)
        return held[int(start) : last + 1 if last >= 0 else len(held) + last + 1]

    def _zadd(self, key: bytes, *pairs: bytes) -> int:
        held = self._make(key, dict)
        before = len(held)
        held.update({member: float(at) for at, member in zip(pairs[::2], pairs[1::2], strict=True)})
        return len(held) - before

    def _zrem(self, key: bytes, *members: bytes) -> int:
        return self._hdel(key, *members)

    def _zscore(self, key: bytes, member: bytes) -> bytes | None:
        score = self.keys.get(key, {}).get(member)
        return None if score is None else b"%.17g" % score

    def _ordered(self, key: bytes) -> list[tuple[float, bytes]]:
        found: list[tuple[float, bytes]] = []
        for member, score in self.keys.get(key, {}).items():
            insort(found, (score, member))
        return found

    def _zrange(self, key: bytes, start: bytes, stop: bytes, *options: bytes) -> list[bytes]:
        held = self._ordered(key)
        first, last = (int(at) + (len(held) if int(at) < 0 else 0) for at in (start, stop))
        picked = held[max(0, first) : last + 1]
        if options:
            return [part for score, member in picked for part in (member, b"%.17g" % score)]
        return [member for _, member in picked]

    def _zcard(self, key: bytes) -> int:
        return len(self.keys.get(key, {}))

    def _zrandmember(self, key: bytes, _count: bytes) -> list[bytes]:
        members = list(self.keys.get(key, {}))
        return [members[len(members) // 2]] if members else []  # any one: nothing is random here

    def _zrangebyscore(self, key: bytes, low: bytes, high: bytes, *options: bytes) -> list[bytes]:
        first, last = float(low), float(high)
        found = [pair for pair in self._ordered(key) if first <= pair[0] <= last]
        if options:
            return [part for score, member in found for part in (member, b"%.17g" % score)]
        return [member for _, member in found]

    def _zremrangebyscore(self, key: bytes, low: bytes, high: bytes) -> int:
        found = self._zrangebyscore(key, low, high)
        return self._hdel(key, *found) if found else 0


class Scripts:
    """Compiles Lua once for all servers of a process, and runs it on one of them."""

    def __init__(self) -> None:
        self._lua = LuaRuntime(encoding=None, unpack_returned_tuples=False)
        self._made: dict[str, Any] = {}
        self._data: Data | None = None
        self._table = self._lua.table_from
        self._names: dict[bytes, str] = {}
        self._is_allowed, self._writes_before = False, 0
        self._lua.globals()[b"redis"] = self._table({b"call": self._call})
        self._lua.globals()[b"cjson"] = self._table({b"decode": self._decode})

    def run(self, data: Data, text: str, keys: Iterable[Any], arguments: Iterable[Any]) -> Any:
        """Run a script, as the server does: in one step."""
        if text not in self._made:
            body = "\n" + text.partition("\n")[2] if text.startswith("#!") else text
            self._made[text] = self._lua.execute(
                b"return function(KEYS, ARGV) %b\nend" % body.encode()
            )
        self._data, self._writes_before = data, data.writes
        self._is_allowed = text.startswith("#!") and "allow-oom" in text.partition("\n")[0]
        return _from_lua(self._made[text](self._list(keys), self._list(arguments)))

    def _list(self, items: Iterable[Any]) -> Any:
        return self._table([one if one.__class__ is bytes else to_bytes(one) for one in items])

    def _call(self, name: bytes, *arguments: Any) -> Any:
        data, command = self._data, self._names.get(name)
        assert data is not None
        if command is None:
            command = self._names[name] = name.decode()
        # As the server: a script that has written may go on when there is no room.
        may_exceed = self._is_allowed or data.writes != self._writes_before
        reply = data.run(command, *arguments, may_exceed=may_exceed)
        if reply.__class__ is list:
            return self._table([False if item is None else item for item in reply])
        return False if reply is None else reply

    def _decode(self, text: bytes) -> Any:
        return self._table(_bytes_of(json.loads(text)))


def _bytes_of(fields: dict[str, Any]) -> dict[bytes, Any]:
    return {
        name.encode(): value.encode() if isinstance(value, str) else value
        for name, value in fields.items()
    }


def _from_lua(value: Any) -> Any:
    kind = value.__class__
    if kind is bytes:
        return value
    if value is None or kind is bool:
        return 1 if value else None
    if kind is int or kind is float:
        return int(value)
    return [_from_lua(value[at]) for at in range(1, len(value) + 1)]


SCRIPTS = Scripts()
