"""The cases of the message contract, as they were handed over."""

import base64
import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.conftest import CONTRACT

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (CONTRACT / "messages.jsonl").read_text(encoding="utf-8").splitlines()
]


def fill_in(case: dict[str, Any], start: datetime) -> bytes:
    """The payload of a case, its `<now...>` marks replaced."""

    def stamp(match: re.Match[str]) -> str:
        instant = start + timedelta(seconds=int(match[1] or 0))
        if not match[2]:
            return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        hours, minutes = int(match[2][:3]), int(match[2][0] + match[2][4:])
        zone = timezone(timedelta(hours=hours, minutes=minutes))
        return instant.astimezone(zone).isoformat(timespec="microseconds")

    if "payload_base64" in case:
        return base64.b64decode(case["payload_base64"])
    text = re.sub(r"<now([+-]\d+)?(?:@([+-]\d\d:\d\d))?>", stamp, case["payload"])
    return text.encode()
