"""A gateway's topics below `{prefix}/devices/{mac}/`: telemetry and status (message contract)."""

import re
from itertools import islice

_PAIR = "[0-9a-fA-F]{2}"
MAC_PATTERN = rf"(?:{_PAIR}(?::{_PAIR}){{5}}|{_PAIR}(?:-{_PAIR}){{5}}|[0-9a-fA-F]{{12}})"
"""Six hex pairs joined by `:` or by `-`, or twelve hex digits, in any case."""

MAX_SHOWN_MACS = 4
STATUS = "status"

_is_mac = re.compile(MAC_PATTERN).fullmatch
_find_runs = re.compile(
    "(?<![0-9a-zA-Z])[0-9a-fA-F]+(?:[:-][0-9a-fA-F]+)*(?![0-9a-zA-Z])"  # whole ones alone
).finditer


def compile_topic(prefix: str) -> re.Pattern[str]:
    """The pattern that `parse_topic` needs, once per process."""
    return re.compile(rf"{re.escape(prefix)}/devices/({MAC_PATTERN})/telemetry")


def compile_status_topic(prefix: str) -> re.Pattern[str]:
    """The same for statuses."""
    return re.compile(rf"{re.escape(prefix)}/devices/({MAC_PATTERN})/{STATUS}")


def make_status_topic(prefix: str, mac: str) -> str:
    """Where a gateway publishes its status."""
    return f"{prefix}/devices/{mac}/{STATUS}"


def read_mac(text: str) -> str | None:
    """The MAC as it is stored, lower case with `:`; None when `text` is none."""
    return _normalise(text) if _is_mac(text) else None


def parse_topic(topic: str, pattern: re.Pattern[str]) -> str | None:
    """The MAC as it is stored, or None when the topic does not have the form."""
    match = pattern.fullmatch(topic)
    return _normalise(match[1]) if match else None


def find_macs(topic: str) -> list[str]:
    """MACs that a topic of another form shows, the first few of them, whatever word is joined to
    them. Other hex, longer or of further pairs, shows none."""
    runs = (match[0] for match in _find_runs(topic))
    return list(map(_normalise, islice(filter(_is_mac, runs), MAX_SHOWN_MACS)))


def subscription(prefix: str, *, share_group: str) -> str:
    """The shared subscription of the bridges (MQTT 5, section 4.8.2): all below the prefix, so that
    what gateways publish on a wrong topic is seen."""
    return f"$share/{share_group}/{prefix}/#"


def former_subscription(prefix: str, *, share_group: str) -> str:
    """What bridges subscribed to before: their sessions at the broker may hold it still."""
    return f"$share/{share_group}/{prefix}/devices/+/telemetry"


def _normalise(mac: str) -> str:
    digits = mac.lower().replace(":", "").replace("-", "")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
