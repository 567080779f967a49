"""Write `.env.example`: every setting with its meaning, unit and default.

`python -m config.example > .env.example`
"""

import dataclasses
import textwrap
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any

from config.env import Setting, list_settings
from config.options import ALL_OPTIONS


def render_example() -> str:
    """The text of `.env.example`."""
    lines = [
        "# Every setting. A line #NAME=VALUE shows the default. A line NAME= must be set.",
        "# A secret may also be in a file: NAME_FILE is the path of that file.",
    ]
    sections = [(options.__doc__ or "", list(list_settings(options))) for options in ALL_OPTIONS]
    uses = Counter(described.name for _, found in sections for described, _, _ in found)
    everything = [each for _, found in sections for each in found]
    shared = {each[0].name: each for each in everything if uses[each[0].name] > 1}
    lines += _render_section("Settings that several kinds of processes read.", shared.values())
    for title, found in sections:
        lines += _render_section(title, [each for each in found if each[0].name not in shared])
    return "\n".join(lines) + "\n"


def _render_section(title: str, found: Iterable[tuple[Setting, type, Any]]) -> list[str]:
    rendered = [["", *_render(described, default)] for described, _, default in found]
    return ["", f"## {title.strip()}", *chain.from_iterable(rendered)]


def _render(described: Setting, default: Any) -> list[str]:
    unit = f" [{described.unit}]" if described.unit else ""
    choices = f" (one of {', '.join(described.choices)})" if described.choices else ""
    words = textwrap.wrap(f"{described.help}{choices}{unit}", width=94)
    if default is dataclasses.MISSING:
        return [*(f"# {line}" for line in words), f"{described.name}="]
    text = ",".join(default) if isinstance(default, tuple) else str(default)
    return [*(f"# {line}" for line in words), f"#{described.name}={text}"]


if __name__ == "__main__":
    print(render_example(), end="")
