"""Which Debian mirror the machine's own apt uses."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

SUITES = frozenset({"bullseye", "bookworm", "trixie", "forky", "duke", "sid", "unstable"})
MOVING_SUITES = frozenset({"stable", "testing"})  # other vendors call theirs so, too
INDEX = re.compile(r"^'(\S+?)/*/dists/(\S+?)/*/main/binary-", re.MULTILINE)


def find_mirror(folder: Path = Path("/etc/apt")) -> str | None:
    """A mirror of Debian itself that apt asks over HTTP; None when there is none.

    Other archives (security updates, other vendors', Ubuntu) hold no Debian suites.
    """
    argv = ["apt-get", "-o", f"Dir::Etc={folder}/", "--print-uris", "update"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    for address, suite in INDEX.findall(done.stdout):
        for mirror in _follow(address):
            if mirror.startswith(("http://", "https://")) and _is_debian(mirror, suite):
                return mirror
    return None


def _is_debian(mirror: str, suite: str) -> bool:
    if mirror.endswith(("-security", "/updates")):
        return False
    known = SUITES | MOVING_SUITES if mirror.endswith("/debian") else SUITES
    return suite.removesuffix("-updates") in known


def _follow(address: str) -> Iterator[str]:
    """The address itself, or those in the list that `mirror+file:` names, as cloud images have."""
    kind, _, path = address.partition(":")
    if kind not in ("mirror+file", "mirror"):
        yield address
    elif Path(path).is_file():
        for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
            yield from (word.rstrip("/") for word in line.partition("#")[0].split()[:1])
