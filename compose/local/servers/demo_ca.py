"""A CA for the demo, made at the first start: certificates for the broker and for processes.

Its key lies beside the certificates that it signs: never use it in the field.
"""

import shutil

from compose.local.layout import SERVER_FILES, StackError
from compose.local.ports import HOST
from compose.local.servers.rootfs import Rootfs

CERTIFICATES = (("broker", HOST, "localhost"), ("service",))


def ensure_demo_ca(rootfs: Rootfs, folder: str, *, owner: str) -> None:
    """Make what is missing in `folder`, as the server sees it. Raises `StackError`."""
    outside = rootfs.path / folder.lstrip("/")
    outside.mkdir(mode=0o700, exist_ok=True)
    script = shutil.copy(SERVER_FILES / "certificates.sh", outside)
    for arguments in CERTIFICATES:
        done = rootfs.run("root", ["/bin/sh", f"{folder}/certificates.sh", folder, *arguments])
        if done.returncode != 0:
            raise StackError(f"{script} {' '.join(arguments)} failed:\n{done.stderr.strip()}")
    uid, gid = rootfs.find_user(owner)
    for path in (outside, *outside.iterdir()):
        if path.name != "ca.key":
            shutil.chown(path, uid, gid)
