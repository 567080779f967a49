"""What the broker alone can give: the same backlog, taken by mosquitto_sub."""

import subprocess
import time

from compose.local.layout import StackError
from compose.local.servers.rootfs import ensure_rootfs
from tests.bench.rig import Rig

TOPIC = "tds_new/devices/+/telemetry"


def subscribe(rig: Rig) -> None:
    """Have a session of its own queue what is published from now on."""
    _run(rig, "-E")


def take_backlog(rig: Rig, *, count: int) -> float:
    """Take `count` messages from the session; messages a second."""
    started_s = time.monotonic()
    _run(rig, "-C", str(count))
    return count / (time.monotonic() - started_s)


def _run(rig: Rig, *arguments: str) -> None:
    environ = rig.environ
    argv = ["/usr/bin/mosquitto_sub", "-V", "5", "-c", "-x", "4294967295", "-q", "1"]
    argv += ["-i", "bridge-floor"]
    argv += ["-h", environ["MQTT_HOST"], "-p", environ["MQTT_PORT"]]
    argv += ["-u", environ["MQTT_BRIDGE_USER"], "-P", environ["MQTT_BRIDGE_PASSWORD"]]
    argv += ["-t", TOPIC, "-D", "connect", "receive-maximum", "65535", *arguments]
    done = subprocess.run(
        ["/usr/sbin/chroot", str(ensure_rootfs().path), *argv],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise StackError(f"mosquitto_sub failed: {done.stderr.strip()}")
