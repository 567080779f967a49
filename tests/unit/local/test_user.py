"""As which user the processes run, and what is handed over to it."""

import os
import subprocess
from pathlib import Path

import pytest

from compose.local.layout import Layout, write_private
from compose.local.stack import user
from compose.local.stack.programs import list_processes
from compose.local.stack.request import read_request
from compose.local.stack.user import USER_ID, become, describe_user, find_process_user, hand_over

VALUES = {"WEB_URL": "http://127.0.0.1:8000", "ADMIN_PASSWORD": "x", "BRIDGE_SHARE_GROUP": "g"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@as_root
def test_it_has_no_capabilities_when_it_became_another_user() -> None:
    script = "id -u; id -G; grep -E '^(Cap(Eff|Prm|Bnd)|NoNewPrivs)' /proc/self/status"

    said = subprocess.run(become(USER_ID, ("sh", "-c", script)), capture_output=True, check=True)

    uid, groups, *rights = said.stdout.decode().splitlines()
    assert (uid, groups) == (str(USER_ID), str(USER_ID))
    assert [int(line.split()[1], 16) for line in rights] == [0, 0, 0, 1]


@as_root
def test_it_can_read_and_write_what_is_its_own_and_nothing_else(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "local")
    layout.create()
    write_private(layout.stack_env, "secret")
    ca, crl, static, tls = (tmp_path / name for name in ("ca", "crl", "static", "broker"))
    for folder in (ca, crl, static, tls):
        folder.mkdir(mode=0o700)
    for path in (ca / "intermediate.key", crl / "crl.pem", static / "a.css", tls / "broker.key"):
        path.write_text("text", encoding="utf-8")
        path.chmod(0o600)
    (tls / "broker.crt").touch()
    values = {
        "STATIC_ROOT": str(static),
        "CA_FOLDER": str(ca),
        "CA_CRL_FILE": str(crl / "crl.pem"),
        "MQTT_TLS_FOLDER": str(tls),
    }
    for folder in (tmp_path, *tmp_path.parents):  # pytest's are closed to others
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(0o711)

    layout.mail.mkdir()
    (layout.mail / "link").symlink_to(layout.stack_env)

    hand_over(USER_ID, values, layout=layout)

    assert layout.stack_env.stat().st_uid == os.geteuid()

    def can(word: str) -> bool:
        return subprocess.run(become(USER_ID, ("sh", "-c", word))).returncode == 0  # noqa: PLW1510

    for path in (ca / "intermediate.key", static / "a.css", layout.tls / "broker.key"):
        assert can(f"cat {path} >/dev/null")
        assert not can(f"exec 2>/dev/null; echo x >>{path}")
    for path in (crl / "new", layout.health / "bridge-1.health", layout.mail / "1.log"):
        assert can(f"echo x >{path}")
    assert not can(f"exec 2>/dev/null; cat {layout.stack_env} || ls {layout.folder}")


def test_it_stays_who_it_is_when_there_is_no_other_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user, "find_obstacle", lambda: "Permission denied")

    assert become(None, ("a", "b")) == ("a", "b")
    assert find_process_user() is None
    hand_over(None, {}, layout=Layout(tmp_path))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "(Permission denied)" in describe_user(find_process_user())


def test_every_process_runs_as_the_user_that_was_found(tmp_path: Path) -> None:
    layout = Layout(tmp_path)

    programs = list_processes(read_request({}, own={}), VALUES, layout=layout, user=USER_ID)

    assert all(f"--reuid={USER_ID}" in program.argv for program in programs)
    assert {program.environ["HOME"] for program in programs} == {"/nonexistent"}
