"""Show a payload as it came: JSON laid out, other text as it is, bytes as a hex dump."""

from typing import NamedTuple

import msgspec

SHOWN_BYTES = 65_536
HEX_BYTES = 4_096


class ShownPayload(NamedTuple):
    """`form` is json, text or hex; `text` still has to be escaped."""

    form: str
    text: str
    is_cut: bool


def show_payload(payload: bytes) -> ShownPayload:
    """Make any bytes readable. Numbers of JSON are shown with the digits that were sent."""
    is_cut = len(payload) > SHOWN_BYTES
    if not is_cut:
        try:
            return ShownPayload("json", msgspec.json.format(payload, indent=2).decode(), is_cut)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # not JSON: shown below as what it is
    try:
        text = payload[:SHOWN_BYTES].decode("utf-8", "ignore" if is_cut else "strict")
    except UnicodeDecodeError:
        return _dump(payload)
    if any(not (char.isprintable() or char in "\r\n\t") for char in text):
        return _dump(payload)
    return ShownPayload("text", text, is_cut)


def _dump(payload: bytes) -> ShownPayload:
    lines = []
    for start in range(0, min(len(payload), HEX_BYTES), 16):
        row = payload[start : start + 16]
        printable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:06x}  {row.hex(' '):<47}  {printable}")
    return ShownPayload("hex", "\n".join(lines), len(payload) > HEX_BYTES)
