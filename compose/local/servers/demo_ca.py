"""A CA for the demo, made at the first start: certificates for the broker, a gateway and processes.

Its key lies beside the certificates that it signs: never use it for gateways in the field.
"""

from compose.local.layout import StackError
from compose.local.servers.rootfs import Rootfs

DEMO_GATEWAY = "aa:bb:cc:dd:ee:ff"  # the first of telemetry/fleet/demo.json
DAYS = "3650"


def ensure_demo_ca(rootfs: Rootfs, folder: str, *, owner: str) -> None:
    """Make what is missing in `folder`, as the server sees it. Raises `StackError`."""
    make = _Maker(rootfs, folder)
    make.create("ca", "TDS demo CA", is_ca=True)
    make.create("broker", "broker", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    make.create("gateway", DEMO_GATEWAY)
    make.create("service", "service")
    uid, gid = rootfs.find_user(owner)
    make.run("chown", "-R", f"{uid}:{gid}", folder)
    make.run("chown", "root:root", f"{folder}/ca.key")


class _Maker:
    def __init__(self, rootfs: Rootfs, folder: str) -> None:
        self._rootfs = rootfs
        self._folder = folder
        self._outside = rootfs.path / folder.lstrip("/")
        self._outside.mkdir(mode=0o700, exist_ok=True)

    def create(self, name: str, common_name: str, *options: str, is_ca: bool = False) -> None:
        """A key and a certificate; nothing when it is there."""
        path = f"{self._folder}/{name}"
        if (self._outside / f"{name}.crt").exists():
            return
        argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        argv += ["-noenc", "-days", DAYS, "-subj", f"/CN={common_name}", *options]
        if not is_ca:
            ca = f"{self._folder}/ca"
            argv += ["-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-extensions", "usr_cert"]
        self.run(*argv, "-keyout", f"{path}.key", "-out", f"{path}.new")
        self.run("mv", f"{path}.new", f"{path}.crt")  # last: half a pair does not count

    def run(self, *argv: str) -> None:
        done = self._rootfs.run("root", ["/usr/bin/env", *argv])
        if done.returncode != 0:
            raise StackError(f"the demo's CA could not be made: {argv[0]}: {done.stderr.strip()}")
