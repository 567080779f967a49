"""The servers' packages come from where the machine's own apt gets its packages."""

from pathlib import Path

import pytest

from compose.local.servers import mirror, pins
from compose.local.servers.mirror import find_mirror

DEB822 = """\
# The mirror of the site.
Types: deb deb-src
URIs: https://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYBBAHaRw8BAQdAd7Z0srwuhlB6JKFkcf4HU4SSS/xcRfwEQWzr
 -----END PGP PUBLIC KEY BLOCK-----
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, None, id="no sources"),
        pytest.param(
            {"sources.list": "deb http://ftp.example/debian trixie main\n"},
            "http://ftp.example/debian",
            id="one line",
        ),
        pytest.param(
            {
                "sources.list": "# deb http://old.example/debian buster main\n"
                "deb-src http://src.example/debian trixie main\n"
                "deb http://security.example/debian-security trixie-security main\n"
                "deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] https://in.example:8443/a/"
                "debian/ trixie main contrib # ours\n"
            },
            "https://in.example:8443/a/debian",
            id="options, comments, sources and security beside it",
        ),
        pytest.param(
            {"sources.list.d/debian.sources": DEB822}, "https://mirror.example/debian", id="deb822"
        ),
        pytest.param(
            {
                "sources.list.d/a.sources": "Enabled: no\n" + DEB822,
                "sources.list.d/b.sources": "Types: deb\nURIs: https://deb.example/node\n"
                "Suites: nodistro\nComponents: main\n\nTypes: deb-src\nURIs: http://src.example/debian\n"
                "Suites: trixie\nComponents: main\n\nTypes: deb\nURIs:\n http://far.example/debian-security\n"
                " http://near.example/debian\nSuites: trixie\nComponents: main\n",
            },
            "http://near.example/debian",
            id="stanzas that are off, of others, and over several lines",
        ),
        pytest.param(
            {"sources.list.d/debian.sources.disabled": DEB822, "sources.list.d/x.list.save": "deb"},
            None,
            id="files that apt does not read",
        ),
        pytest.param(
            {"sources.list": "deb http://archive.example/ubuntu noble main\n"},
            None,
            id="another distribution",
        ),
        pytest.param(
            {
                "sources.list.d/caddy.list": "deb [signed-by=/usr/share/keyrings/c.gpg] "
                "https://dl.example/public/caddy/stable/deb/debian any-version main\n",
                "sources.list.d/docker.list": "deb https://docker.example/linux/debian bookworm "
                "stable\n",
                "sources.list.d/pgdg.list": "deb http://pg.example/repos/apt trixie-pgdg main\n",
                "sources.list.d/chrome.list": "deb https://dl.example/chrome/deb/ stable main\n",
                "sources.list.d/security.list": "deb http://site.example/sec trixie-security main\n"
                "deb http://site.example/debian-security trixie main\n",
                "sources.list.d/z.list": "deb http://site.example/debian stable-updates main\n",
            },
            "http://site.example/debian",
            id="other vendors before it",
        ),
        pytest.param(
            {"sources.list": "deb http://site.example/pool/debian-13/ trixie non-free main\n"},
            "http://site.example/pool/debian-13",
            id="a mirror under another path",
        ),
        pytest.param(
            {
                "sources.list": "deb cdrom:[Debian]/debian trixie main\n"
                "deb file:/srv/debian trixie main\n"
            },
            None,
            id="what debootstrap may not reach",
        ),
    ],
)
def test_it_finds_the_mirror_of_apt(
    tmp_path: Path, files: dict[str, str], expected: str | None
) -> None:
    assert find_mirror(write(tmp_path, files)) == expected


def test_it_finds_one_of_several_mirrors(tmp_path: Path) -> None:
    first = "deb http://first.example/debian trixie main\n"
    files = {"sources.list": first, "sources.list.d/debian.sources": DEB822}
    mirrors = ("http://first.example/debian", "https://mirror.example/debian")
    assert find_mirror(write(tmp_path, files)) in mirrors


def test_it_follows_the_list_of_mirrors_that_a_cloud_image_names(tmp_path: Path) -> None:
    listed = tmp_path / "mirrors" / "debian.list"
    source = DEB822.replace("https://mirror.example/debian/", f"mirror+file://{listed}")
    files = {"mirrors/debian.list": "https://cloud.example/debian\thttps\n"}
    folder = write(tmp_path, {**files, "sources.list.d/debian.sources": source})
    assert find_mirror(folder) == "https://cloud.example/debian"


def test_it_takes_the_mirror_of_apt_unless_one_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEBIAN_MIRROR", raising=False)
    before = pins.read_pins()
    folder = write(tmp_path, {"sources.list.d/debian.sources": DEB822})
    monkeypatch.setattr(mirror.find_mirror, "__defaults__", (folder,))
    found = pins.read_pins()
    assert found.mirror == "https://mirror.example/debian"
    assert found.key == before.key, "what is installed stays"
    monkeypatch.setenv("DEBIAN_MIRROR", "http://mine.example/debian")
    assert pins.read_pins().mirror == "http://mine.example/debian"
    monkeypatch.delenv("DEBIAN_MIRROR")
    monkeypatch.setattr(mirror.find_mirror, "__defaults__", (tmp_path / "none",))
    assert pins.read_pins().mirror == "http://deb.debian.org/debian"


def test_it_finds_none_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mirror() is None
