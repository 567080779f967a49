"""Which Debian mirror the machine's own apt uses."""

import re
from collections.abc import Iterator
from pathlib import Path

APT_FOLDER = Path("/etc/apt")
OPTIONS = re.compile(r"\[[^\]]*\]")


def find_mirror(folder: Path = APT_FOLDER) -> str | None:
    """The first mirror of Debian itself that apt asks over HTTP; None when there is none.

    Other archives (security updates, other vendors', Ubuntu) hold no Debian suites.
    """
    for uri in list_uris(folder):
        for address in _follow(uri):
            if re.fullmatch(r"https?://[^\s?#]+/debian/*", address):
                return address.rstrip("/")
    return None


def list_uris(folder: Path) -> Iterator[str]:
    """Where apt gets packages from, in its own order."""
    files = [folder / "sources.list"]
    parts = folder / "sources.list.d"
    if parts.is_dir():
        files += sorted(parts.iterdir())
    for path in files:
        if path.suffix in (".list", ".sources") and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from _read_lines(text) if path.suffix == ".list" else _read_stanzas(text)


def _read_lines(text: str) -> Iterator[str]:
    """`deb [options] URI SUITE COMPONENT...`"""
    for line in text.splitlines():
        words = OPTIONS.sub(" ", line.partition("#")[0]).split()
        if words[:1] == ["deb"] and len(words) > 2:
            yield words[1]


def _read_stanzas(text: str) -> Iterator[str]:
    """`Types`, `URIs`, `Enabled` of stanzas in the form deb822."""
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", kept):
        fields = {
            name.lower(): value.split()
            for name, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        is_off = fields.get("enabled", ["yes"])[0].lower() in ("no", "false", "off", "0", "without")
        if "deb" in fields.get("types", ()) and not is_off:
            yield from fields.get("uris", ())


def _follow(uri: str) -> Iterator[str]:
    """The address itself, or those in the list that `mirror+file:` names, as cloud images have."""
    if not uri.startswith(("mirror+file:", "mirror:file:")):
        yield uri
        return
    path = Path(re.sub(r"^[^/]*/+", "/", uri))
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            yield from line.partition("#")[0].split()[:1]
