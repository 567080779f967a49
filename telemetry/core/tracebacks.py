"""Where something failed, without what it failed with: an error's own text may quote a message."""

import re

_FRAME = re.compile(r'  File "(?:.*/)?(?P<file>[^"/]+)", line (?P<line>\d+), in (?P<name>.+)')
_ERROR = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(?::|$)")


def list_frames(traceback: str) -> str:
    """The places of a traceback, the innermost last, and the kinds of its errors, in one line. What
    is no traceback stays as it is."""
    if "Traceback (most recent call last)" not in traceback:
        return traceback
    parts = []
    is_within = False  # among frames: the first line after them names the error, others quote
    for line in traceback.splitlines():
        if frame := _FRAME.match(line):
            parts.append(f"{frame['file']}:{frame['line']} {frame['name']}")
            is_within = True
        elif is_within and not line.startswith("  "):
            parts += [error["name"] for error in [_ERROR.match(line)] if error]
            is_within = False
    return " > ".join(parts)
