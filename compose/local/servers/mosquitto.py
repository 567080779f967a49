"""Mosquitto: the MQTT broker, with a password and rights for each role."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from compose.local.layout import SERVER_FILES, StackError
from compose.local.ports import HOST
from compose.local.progress import say
from compose.local.servers.broker import PROMISE, find_plugin
from compose.local.servers.pins import KEEPER
from compose.local.servers.server import Server

ROLES = ("admin", "bridge", "dashboard", "gateway")


@dataclass(frozen=True)
class Mosquitto(Server):
    """A broker on loopback: MQTT and MQTT over WebSocket."""

    name: ClassVar[str] = "mosquitto"

    websocket_port: int
    passwords: Mapping[str, str]
    prefix: str = "tds_new"
    is_crash_safe: bool = True  # when its plugin is installed

    @property
    def argv(self) -> list[str]:
        program = ["/usr/sbin/mosquitto", "-c", self.place.inside("mosquitto", "mosquitto.conf")]
        return self.place.rootfs.command("mosquitto", program)

    def prepare(self) -> None:
        """Write settings, rights and passwords; the store of sessions is left alone."""
        self.place.make_folder("mosquitto", user="mosquitto")
        shared = (SERVER_FILES / "mosquitto.conf").read_text(encoding="utf-8")
        local = (
            f"listener {self.port} {HOST}\n"
            "protocol mqtt\n"
            f"listener {self.websocket_port} {HOST}\n"
            "protocol websockets\n"
            f"password_file {self.place.inside('mosquitto', 'passwords')}\n"
            f"acl_file {self.place.inside('mosquitto', 'acl')}\n"
        )
        text = f"{shared}\n{self._render_store()}\n{local}"
        self.place.write_private("mosquitto/mosquitto.conf", text, user="mosquitto")
        self.place.write_private("mosquitto/acl", render_acl(prefix=self.prefix), user="mosquitto")
        self._write_passwords()

    def environ(self) -> dict[str, str]:
        values = {
            "MQTT_HOST": HOST,
            "MQTT_PORT": str(self.port),
            "MQTT_WS_PORT": str(self.websocket_port),
        }
        for role in ROLES:
            values[f"MQTT_{role.upper()}_USER"] = role
            values[f"MQTT_{role.upper()}_PASSWORD"] = self.passwords[role]
        return values

    def _render_store(self) -> str:
        """How sessions are kept: crash-safe when the plugin is there."""
        plugin = find_plugin(self.place.rootfs.path) if self.is_crash_safe else None
        if plugin is None and self.is_crash_safe:
            say(f"  {PROMISE}")
        name = "mosquitto-sqlite.conf" if plugin else "mosquitto-file.conf"
        text = (SERVER_FILES / name).read_text(encoding="utf-8")
        folder = self.place.inside("mosquitto")
        keeper = f"{plugin.rpartition('/')[0]}/{KEEPER}.so" if plugin else ""
        for name, value in (("plugin", plugin or ""), ("keeper", keeper), ("folder", folder)):
            text = text.replace(f"{{{name}}}", value)
        return text

    def _write_passwords(self) -> None:
        """Let mosquitto_passwd hash a file of clear passwords: none is on a command line."""
        text = "".join(f"{role}:{self.passwords[role]}\n" for role in ROLES)
        self.place.write_private("mosquitto/passwords.clear", text, user="mosquitto")
        passwords = self.place.inside("mosquitto", "passwords.clear")
        argv = ["/usr/bin/mosquitto_passwd", "-U", passwords]
        done = self.place.rootfs.run("mosquitto", argv)
        clear = self.place.folder / "mosquitto/passwords.clear"
        if done.returncode != 0 or self.passwords["admin"] in clear.read_text(encoding="utf-8"):
            clear.unlink()
            raise StackError(f"mosquitto_passwd failed: {done.stderr.strip() or done.returncode}")
        clear.replace(self.place.folder / "mosquitto/passwords")


def render_acl(*, prefix: str) -> str:
    """The rights by role, with the topics' prefix and the users of the roles."""
    text = (SERVER_FILES / "mosquitto.acl").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rights = "\n".join(lines).replace("{prefix}", prefix)
    for role in ROLES:
        rights = rights.replace(f"{{{role}}}", role)
    return rights.strip() + "\n"
