"""The versions of the servers."""

import pytest

from compose.local.layout import StackError
from compose.local.servers.pins import check_versions, is_version, read_pins


@pytest.mark.parametrize(
    ("found", "wanted", "is_one"),
    [
        ("17.12-0+deb13u1", "17", True),
        ("170.1-1", "17", False),
        ("8.0.2-3+deb13u3", "8.0", True),
        ("8.02-1", "8.0", False),
        ("2.19.3+dfsg-1", "2.19.3", True),
        ("2.0.21-1", "2.0.21", True),
    ],
)
def test_it_compares_whole_components_when_versions_are_checked(
    found: str,
    wanted: str,
    is_one: bool,
) -> None:
    assert is_version(found, wanted=wanted) is is_one


def test_it_names_package_and_both_versions_when_one_differs() -> None:
    pins = read_pins()
    installed = dict.fromkeys(pins.versions, "1")
    installed["mosquitto"] = "2.1.2-1"
    installed.update({"postgresql-17": "17.12-0", "postgresql-17-timescaledb": "2.19.3"})
    installed["redis-server"] = "5:8.0.2-3"

    with pytest.raises(StackError, match=r"package mosquitto is 2\.1\.2-1: expected 2\.0\.21"):
        check_versions(pins.versions, installed)


def test_it_names_the_package_when_it_is_missing() -> None:
    with pytest.raises(StackError, match="package postgresql-17 was not installed"):
        check_versions(read_pins().versions, {})


def test_it_keeps_the_root_filesystem_when_only_the_mirror_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = read_pins()
    monkeypatch.setenv("DEBIAN_MIRROR", "http://mirror.example/debian")

    after = read_pins()

    assert after.mirror == "http://mirror.example/debian"
    assert after.key == before.key
