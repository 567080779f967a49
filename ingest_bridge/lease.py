"""One bridge for each client id: a lease in Redis that a running bridge keeps renewing.

Two clients with one id throw each other out of the broker for ever. The lease lets
the second one end with one clear error instead. It also tells operators what each bridge does.
"""

import json
import os
import secrets
import socket
import time
from typing import Any

import psutil
from redis import Redis

from config.options.bridge import NUMBER
from ingest_bridge.errors import BridgeError
from telemetry.core.batch import BRIDGE_KEY, OPEN_KEY, SESSIONS_KEY

LEASE_S = 15
RENEW_S = 3.0
RENEW_CHANGED_S = 0.2  # a new state is told sooner, but who flaps does not keep Redis busy

# Both also when Redis is full: who cannot renew a lease would seem dead.
_RENEW = """#!lua flags=allow-oom
local held = redis.call('GET', KEYS[1])
if held and cjson.decode(held).token ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[4])
return 1
"""
_RELEASE = """#!lua flags=allow-oom
local held = redis.call('GET', KEYS[1])
if held and cjson.decode(held).token == ARGV[1] then redis.call('DEL', KEYS[1]) end
if ARGV[2] == 'retired' then
  redis.call('SREM', KEYS[2], ARGV[3])
  redis.call('SREM', KEYS[3], ARGV[3])
end
return 1
"""
# Only while another bridge serves a session and stays: so the last one never leaves, even when all
# are stopped at once.
_BEGIN_LEAVING = """#!lua flags=allow-oom
local own = redis.call('GET', KEYS[1])
if not own or cjson.decode(own).token ~= ARGV[1] then return 0 end
for _, client_id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local held = client_id ~= ARGV[2] and redis.call('GET', ARGV[3] .. client_id)
  if held and not cjson.decode(held).is_leaving then
    local state = cjson.decode(own)
    state.is_leaving = true
    redis.call('SET', KEYS[1], cjson.encode(state), 'EX', ARGV[4])
    return 1
  end
end
return 0
"""
MOST_NUMBERS = 99


class Lease:
    """The right to use a client id. All calls may raise `redis.RedisError`."""

    def __init__(self, redis: Redis, *, client_id: str) -> None:
        self._redis = redis
        self.client_id = client_id
        self._token = secrets.token_hex(8)
        self._key = BRIDGE_KEY + client_id
        self._renewed_at = float("-inf")
        self._renewed_state = ""
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(_RELEASE)
        self._begin_leaving = redis.register_script(_BEGIN_LEAVING)
        self._is_leaving = False

    def acquire(self, *, longest_wait_s: float = LEASE_S + 2) -> None:
        """Take the lease; waits for that of a bridge which died to run out.

        Raises `BridgeError` when a living bridge holds it.
        """
        give_up_at = time.monotonic() + longest_wait_s
        while not self._set({"state": "starting"}):
            holder = read_holder(self._redis, client_id=self.client_id)
            if holder is None:
                continue  # its lease ran out meanwhile, however long this process was stopped
            if _is_dead(holder):
                self._redis.delete(self._key)
            elif time.monotonic() >= give_up_at:
                raise BridgeError(
                    f"BRIDGE_CLIENT_ID={self.client_id!r}: a bridge with this id is running "
                    f"(host {holder['host']}, pid {holder['pid']}); give every bridge an id of its "
                    "own, or stop that one first"
                )
            else:
                time.sleep(0.5)

    def renew(self, state: dict[str, Any], *, now_s: float) -> None:
        """Keep the lease every few seconds, and say what the bridge does: a new state within 0.2 s.

        Raises `BridgeError` when another bridge holds it meanwhile.
        """
        is_same = state["state"] == self._renewed_state
        if now_s - self._renewed_at < (RENEW_S if is_same else RENEW_CHANGED_S):
            return
        self._renewed_at = now_s
        self._renewed_state = state["state"]
        if not self._set(state):
            raise BridgeError(
                f"BRIDGE_CLIENT_ID={self.client_id!r}: another bridge took this id; "
                "give every bridge an id of its own"
            )

    def try_acquire(self) -> bool:
        """Take the lease unless a living bridge holds it."""
        if self._set({"state": "starting"}):
            return True
        holder = read_holder(self._redis, client_id=self.client_id)
        if holder is not None and _is_dead(holder):
            self._redis.delete(self._key)
        return bool(self._set({"state": "starting"}))

    def begin_leaving(self) -> bool:
        """Say that the bridge ends its session; whether it may: not the last one that serves."""
        self._is_leaving = bool(
            self._begin_leaving(
                keys=[self._key, OPEN_KEY], args=[self._token, self.client_id, BRIDGE_KEY, LEASE_S]
            )
        )
        return self._is_leaving

    def release(self, *, is_retired: bool) -> None:
        """Give the id free. `is_retired`: its broker session is ended, too."""
        self._release(
            keys=[self._key, SESSIONS_KEY, OPEN_KEY],
            args=[self._token, "retired" if is_retired else "", self.client_id],
        )

    def _set(self, state: dict[str, Any]) -> bool:
        value = {
            "token": self._token,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "at": time.time(),
            "is_leaving": self._is_leaving,
            **state,
        }
        return bool(
            self._renew(
                keys=[self._key, SESSIONS_KEY],
                args=[self._token, json.dumps(value), LEASE_S, self.client_id],
            )
        )


def read_holder(redis: Redis, *, client_id: str) -> dict[str, Any] | None:
    """What the holder of a lease said last: host, pid, at, state and its figures."""
    held = redis.get(BRIDGE_KEY + client_id)
    return json.loads(held) if held else None


def list_sessions(redis: Redis) -> list[str]:
    """Client ids that may hold a session at the broker, running or not."""
    members: Any = redis.smembers(SESSIONS_KEY)
    return sorted(member.decode() for member in members)


def take_number(redis: Redis, template: str) -> Lease:
    """The lease of the first client id that no living bridge holds, with a number from 1 for `{n}`.

    Raises `BridgeError` when all are taken.
    """
    for number in range(1, MOST_NUMBERS + 1):
        lease = Lease(redis, client_id=template.replace(NUMBER, str(number)))
        if lease.try_acquire():
            return lease
    raise BridgeError(f"BRIDGE_CLIENT_ID={template!r}: {MOST_NUMBERS} bridges are running already")


def _is_dead(holder: dict[str, Any]) -> bool:
    """A container that starts again has the process ids of the one before."""
    is_here = holder["host"] == socket.gethostname()
    return is_here and (holder["pid"] == os.getpid() or not psutil.pid_exists(holder["pid"]))
