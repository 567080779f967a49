"""Which packages the private root filesystem has, and whether what is installed agrees."""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compose.local.layout import SERVER_FILES, StackError
from compose.local.servers.mirror import find_mirror

PINS_FILE = SERVER_FILES / "pins.toml"
KEEPER = "keep_acknowledged"  # the broker's plugin that is compiled from SERVER_FILES


@dataclass(frozen=True)
class Pins:
    """What `pins.toml` says. `key` names the root filesystem that fits it."""

    suite: str
    versions: Mapping[str, str]
    key: str
    broker_suite: str
    broker_versions: Mapping[str, str]
    public_mirror: str

    @property
    def mirror(self) -> str:
        """`DEBIAN_MIRROR`, else that of the machine's own apt, else the public one. Another
        mirror does not ask for a new build."""
        return os.environ.get("DEBIAN_MIRROR") or find_mirror() or self.public_mirror


def read_pins(path: Path = PINS_FILE) -> Pins:
    """Read the pins."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    versions: dict[str, str] = data["versions"]
    broker = data["broker"]
    lines = []
    for part in (data, broker):
        lines.append(part["suite"])
        lines += [f"{name}={part['versions'][name]}" for name in sorted(part["versions"])]
    lines.append((SERVER_FILES / f"{KEEPER}.c").read_text(encoding="utf-8"))
    return Pins(
        suite=data["suite"],
        versions=versions,
        key=hashlib.sha256("\n".join(lines).encode()).hexdigest()[:10],
        broker_suite=broker["suite"],
        broker_versions=broker["versions"],
        public_mirror=data["mirror"],
    )


def check_versions(versions: Mapping[str, str], installed: Mapping[str, str]) -> None:
    """Raise `StackError` for the first package that is missing or of another version."""
    for name, wanted in versions.items():
        found = installed.get(name)
        if found is None:
            raise StackError(
                f"package {name} was not installed: expected {wanted or 'any version'}"
            )
        upstream = found.split(":", 1)[-1]
        if wanted and not is_version(upstream, wanted=wanted):
            raise StackError(
                f"package {name} is {found}: expected {wanted}; if the new version is meant, "
                f"change it in compose/servers/pins.toml"
            )


def is_version(found: str, *, wanted: str) -> bool:
    """Whether a version begins with the wanted one, by components: 17.12 does with 17, 170 not."""
    return found == wanted or found.startswith((f"{wanted}.", f"{wanted}-", f"{wanted}+"))
