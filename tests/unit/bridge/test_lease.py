"""The lease of a client id: who may take it, and when."""

import json

import pytest

from ingest_bridge.errors import BridgeError
from ingest_bridge.lease import Lease
from telemetry.core.batch import BRIDGE_KEY


class Redis:
    """Answers the lease's two scripts and reads; `held` is what others have."""

    def __init__(self, *held: dict[str, object] | None) -> None:
        self.held = list(held)  # one for each try; the last stays
        self.tries = 0

    def register_script(self, _text: str) -> "Redis":
        return self

    def __call__(self, **_: object) -> int:
        self.tries += 1
        return int(self.tries > len(self.held))

    def get(self, key: str) -> bytes | None:
        assert key == f"{BRIDGE_KEY}bridge-1"
        holder = self.held[self.tries - 1]
        return json.dumps(holder).encode() if holder else None


def test_it_takes_a_lease_that_ran_out_while_it_was_stopped() -> None:
    """The time to give up is over, but nobody holds the id any more."""
    redis = Redis(None)
    Lease(redis, client_id="bridge-1").acquire(longest_wait_s=0)  # type: ignore[arg-type]
    assert redis.tries == 2


def test_it_names_the_bridge_that_runs_with_its_id() -> None:
    redis = Redis({"host": "elsewhere", "pid": 7, "token": "another"})
    with pytest.raises(BridgeError, match=r"'bridge-1': .*is running \(host elsewhere, pid 7\)"):
        Lease(redis, client_id="bridge-1").acquire(longest_wait_s=0)  # type: ignore[arg-type]


def test_it_tells_a_new_state_at_once_and_the_same_one_every_few_seconds() -> None:
    redis = Redis()
    lease = Lease(redis, client_id="bridge-1")  # type: ignore[arg-type]
    told = []
    for now_s, state in (
        (0.0, "connecting"),
        (0.1, "ready"),  # not so soon: who flaps does not keep Redis busy
        (0.2, "ready"),
        (3.0, "ready"),
        (3.2, "ready"),
        (3.3, "paused"),
        (3.5, "paused"),
    ):
        before = redis.tries
        lease.renew({"state": state}, now_s=now_s)
        if redis.tries > before:
            told.append(now_s)
    assert told == [0.0, 0.2, 3.2, 3.5]


@pytest.mark.parametrize("state", ["connecting", "ready"])
def test_it_ends_when_another_bridge_holds_the_id(state: str) -> None:
    lease = Lease(Redis(None), client_id="bridge-1")  # type: ignore[arg-type]
    with pytest.raises(BridgeError, match="another bridge took this id"):
        lease.renew({"state": state}, now_s=0.0)
