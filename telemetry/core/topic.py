"""The telemetry topic: `{prefix}/devices/{mac}/telemetry` (message contract, "Topic")."""

import re

MAC_PATTERN = r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}"


def compile_topic(prefix: str) -> re.Pattern[str]:
    """The pattern that `parse_topic` needs, once per process."""
    return re.compile(rf"{re.escape(prefix)}/devices/({MAC_PATTERN})/telemetry")


def parse_topic(topic: str, pattern: re.Pattern[str]) -> str | None:
    """The MAC in lower case, or None when the topic does not have the form."""
    match = pattern.fullmatch(topic)
    return match[1].lower() if match else None


def subscription(prefix: str, *, share_group: str) -> str:
    """The shared subscription of the bridges (MQTT 5, section 4.8.2)."""
    return f"$share/{share_group}/{prefix}/devices/+/telemetry"
