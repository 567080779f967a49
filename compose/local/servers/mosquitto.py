"""Mosquitto: the MQTT broker, with a password and rights for each role."""

import hashlib
import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from compose.local.layout import SERVER_FILES
from compose.local.ports import HOST
from compose.local.progress import say
from compose.local.servers.broker import PROMISE, ensure_rights, find_plugin
from compose.local.servers.demo_ca import ensure_demo_ca
from compose.local.servers.gateway_ca import BUNDLE, ensure_gateway_ca, list_ca_settings
from compose.local.servers.pins import KEEPER
from compose.local.servers.rootfs import run_build
from compose.local.servers.server import Server

ROLES = ("admin", "bridge", "dashboard", "gateway")  # each is also the name of its user
HASH_ROUNDS = 1000
# Who a gateway is: our plugin looks at its certificate; without the plugin the broker does.
BY_PLUGIN = "disable_client_cert_date_checks true"
BY_BROKER = "use_identity_as_username true\nuse_username_as_clientid true"


@dataclass(frozen=True)
class Mosquitto(Server):
    """A broker on loopback: MQTT with and without TLS, and MQTT over WebSocket."""

    name: ClassVar[str] = "mosquitto"
    settings_file: ClassVar[str] = "mosquitto.conf"

    websocket_port: int
    tls_port: int  # gateways, known by their certificates
    service_port: int  # processes, by password and certificate
    passwords: Mapping[str, str]
    ca_passphrase: str  # of the CA of gateways
    prefix: str = "tds_new"
    is_crash_safe: bool = True  # when its plugin is installed

    @property
    def program(self) -> list[str]:
        return ["/usr/sbin/mosquitto", "-c", self.inside("mosquitto.conf")]

    def prepare(self) -> None:
        """Write settings, rights and passwords; the store of sessions is left alone."""
        self.make_folder()
        ensure_demo_ca(self.place.rootfs, self.inside("tls"), owner=self.name)
        bundle = ensure_gateway_ca(self.place, passphrase=self.ca_passphrase)
        self.write_private(f"tls/{BUNDLE}", bundle)
        plugin = ensure_rights(self.place.rootfs.path, run_build) if self.is_crash_safe else None
        settings = (
            f"{self._render('mosquitto-tls.conf', identity=BY_PLUGIN if plugin else BY_BROKER)}\n"
            # Without TLS, for the demo and the tests, on this host only.
            f"listener {self.port} {HOST}\n"
            "protocol mqtt\n"
            f"listener {self.websocket_port} {HOST}\n"
            "protocol websockets\n"
            f"password_file {self.inside('passwords')}\n"
        )
        rights = f"acl_file {self.inside('acl')}\n"
        if plugin:
            rights = self._render("mosquitto-rights.conf", plugin=plugin)
        self.write_settings(f"{rights}\n{self._render_store()}\n{settings}")
        self.write_private("acl", render_acl(prefix=self.prefix))
        passwords = (f"{role}:{hash_password(self.passwords[role])}\n" for role in ROLES)
        self.write_private("passwords", "".join(passwords))

    def environ(self) -> dict[str, str]:
        values = {
            "MQTT_HOST": HOST,
            "MQTT_PORT": str(self.port),
            "MQTT_WS_PORT": str(self.websocket_port),
            "MQTT_TLS_PORT": str(self.tls_port),
            "MQTT_SERVICE_PORT": str(self.service_port),
            "MQTT_TLS_FOLDER": str(self.folder / "tls"),
            **list_ca_settings(self.place, passphrase=self.ca_passphrase),
        }
        for role in ROLES:
            values[f"MQTT_{role.upper()}_USER"] = role
            values[f"MQTT_{role.upper()}_PASSWORD"] = self.passwords[role]
        return values

    def _render(self, name: str, **values: str) -> str:
        """Settings of `compose/servers`, with ports and paths of this server."""
        text = (SERVER_FILES / name).read_text(encoding="utf-8")
        values |= {
            "host": HOST,
            "tls_port": str(self.tls_port),
            "service_port": str(self.service_port),
            "tls": self.inside("tls"),
            "folder": self.inside(),
            "crl": f"/data/{self.place.stack}/crl/crl.pem",
        }
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        return text

    def _render_store(self) -> str:
        """How sessions are kept: crash-safe when the plugin is there."""
        plugin = find_plugin(self.place.rootfs.path) if self.is_crash_safe else None
        if plugin is None and self.is_crash_safe:
            say(f"  {PROMISE}")
        name = "mosquitto-sqlite.conf" if plugin else "mosquitto-file.conf"
        keeper = f"{plugin.rpartition('/')[0]}/{KEEPER}.so" if plugin else ""
        return self._render(name, plugin=plugin or "", keeper=keeper)


def hash_password(password: str) -> str:
    """A password as `mosquitto_passwd` writes it."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS)
    return f"$7${HASH_ROUNDS}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def render_acl(*, prefix: str) -> str:
    """The rights by role, below the topics' prefix."""
    return (SERVER_FILES / "mosquitto.acl").read_text(encoding="utf-8").replace("{prefix}", prefix)
