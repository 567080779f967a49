"""Health by progress: a file that says when the bridge last went round, and last got on."""

import json
import os
import time
from pathlib import Path
from typing import Any

STALE_S = 15.0
STALLED_S = 60.0


class HealthFile:
    """Written by the bridge about once a second."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._written_at = 0.0

    def write(self, state: dict[str, Any], *, now_s: float) -> None:
        """Say how the bridge is. Does nothing without a path or within the same second."""
        if self._path is None or now_s - self._written_at < 1.0:
            return
        self._written_at = now_s
        beside = self._path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps({**state, "at": time.time()}), encoding="ascii")
        beside.replace(self._path)


def judge_health(state: dict[str, Any], *, now: float) -> tuple[bool, str]:
    """Whether a bridge with this state is healthy, and in which words. Times are Unix seconds."""
    age_s = now - float(state["at"])
    if age_s > STALE_S:
        return False, f"no sign of life for {age_s:.0f} s"
    if state["waiting_messages"] and now - float(state["progress_at"]) > STALLED_S:
        stalled_s = now - float(state["progress_at"])
        return False, f"{state['waiting_messages']} messages wait for {stalled_s:.0f} s"
    if state["state"] not in ("ready", "retiring"):
        return True, f"{state['state']} (retrying)"
    return True, f"ready, {state['sent_messages']} messages sent"


def check_health(path: str, *, now: float) -> tuple[bool, str]:
    """Judge the health file at `path`."""
    if not path:
        return False, "BRIDGE_HEALTH_FILE is not set: expected the file that the bridge writes"
    try:
        state = json.loads(Path(path).read_text(encoding="ascii"))
        return judge_health(state, now=now)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return False, f"BRIDGE_HEALTH_FILE={path!r} cannot be read: {error}"
