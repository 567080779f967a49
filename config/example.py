"""Write `.env.example`: every setting with its meaning, unit and default.

`python -m config.example > .env.example`
"""

import dataclasses
import textwrap
from typing import Any

from config.env import Setting, list_settings
from config.options import ALL_OPTIONS


def render_example() -> str:
    """The text of `.env.example`."""
    lines = [
        "# Every setting, with its default. A line that is not commented out must be given.",
        "# A secret is also read from the file that NAME_FILE names.",
    ]
    known: set[str] = set()
    for options in ALL_OPTIONS:
        lines += ["", f"## {(options.__doc__ or '').strip()}"]
        for described, _, default in list_settings(options):
            if described.name not in known:
                known.add(described.name)
                lines += ["", *_render(described, default)]
    return "\n".join(lines) + "\n"


def _render(described: Setting, default: Any) -> list[str]:
    unit = f" [{described.unit}]" if described.unit else ""
    choices = f" ({', '.join(described.choices)})" if described.choices else ""
    words = textwrap.wrap(f"{described.help}{choices}{unit}", width=94)
    if default is dataclasses.MISSING:
        return [*(f"# {line}" for line in words), f"{described.name}="]
    text = ",".join(default) if isinstance(default, tuple) else str(default)
    return [*(f"# {line}" for line in words), f"#{described.name}={text}"]


if __name__ == "__main__":
    print(render_example(), end="")
