"""Which Debian mirror the machine's own apt uses."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

APT_FOLDER = Path("/etc/apt")
SUITES = frozenset({"bullseye", "bookworm", "trixie", "forky", "duke", "sid", "unstable"})
MOVING_SUITES = frozenset({"stable", "testing"})  # other vendors call theirs so, too
OPTIONS = re.compile(r"\[[^\]]*\]")


class Source(NamedTuple):
    """An entry of apt, one for each of its URIs."""

    uri: str
    suites: list[str]
    components: list[str]


def find_mirror(folder: Path = APT_FOLDER) -> str | None:
    """The first mirror of Debian itself that apt asks over HTTP; None when there is none.

    Other archives (security updates, other vendors', Ubuntu) hold no Debian suites.
    """
    for source in list_sources(folder):
        if "main" not in source.components:
            continue
        for address in _follow(source.uri):
            mirror = address.rstrip("/")
            if re.fullmatch(r"https?://[^\s?#]+", mirror) and _is_debian(mirror, source.suites):
                return mirror
    return None


def _is_debian(mirror: str, suites: list[str]) -> bool:
    if any(name.rstrip("/").endswith(("-security", "/updates")) for name in (mirror, *suites)):
        return False
    known = SUITES | MOVING_SUITES if mirror.endswith("/debian") else SUITES
    return any(suite.removesuffix("-updates") in known for suite in suites)


def list_sources(folder: Path) -> Iterator[Source]:
    """Where apt gets packages from, in its own order."""
    files = [folder / "sources.list"]
    parts = folder / "sources.list.d"
    if parts.is_dir():
        files += sorted(parts.iterdir())
    for path in files:
        if path.suffix in (".list", ".sources") and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from _read_lines(text) if path.suffix == ".list" else _read_stanzas(text)


def _read_lines(text: str) -> Iterator[Source]:
    """`deb [options] URI SUITE COMPONENT...`"""
    for line in text.splitlines():
        words = OPTIONS.sub(" ", line.partition("#")[0]).split()
        if words[:1] == ["deb"] and len(words) > 2:
            yield Source(words[1], words[2:3], words[3:])


def _read_stanzas(text: str) -> Iterator[Source]:
    """`Types`, `URIs`, `Suites`, `Components`, `Enabled` of stanzas in the form deb822."""
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", kept):
        fields = {
            name.lower(): value.split()
            for name, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        is_off = fields.get("enabled", ["yes"])[0].lower() in ("no", "false", "off", "0", "without")
        if "deb" in fields.get("types", ()) and not is_off:
            for uri in fields.get("uris", ()):
                yield Source(uri, fields.get("suites", []), fields.get("components", []))


def _follow(uri: str) -> Iterator[str]:
    """The address itself, or those in the list that `mirror+file:` names, as cloud images have."""
    if not uri.startswith(("mirror+file:", "mirror:file:")):
        yield uri
        return
    path = Path(re.sub(r"^[^/]*/+", "/", uri))
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            yield from line.partition("#")[0].split()[:1]
