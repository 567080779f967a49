"""Redis 8: the Celery queues and the batches that wait."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from compose.local.layout import SERVER_FILES
from compose.local.ports import HOST
from compose.local.servers.server import Server

ROLES = ("operator", "bridge", "ingest", "maintenance", "beat", "web", "flower")
"""Each is also the name of its user (compose/servers/redis-users.conf)."""


@dataclass(frozen=True)
class Redis(Server):
    """A Redis that writes every change to disk before it answers."""

    name: ClassVar[str] = "redis"
    settings_file: ClassVar[str] = "redis.conf"

    passwords: Mapping[str, str]
    memory: str = "1gb"
    is_synced: bool = True

    @property
    def program(self) -> list[str]:
        return ["/usr/bin/redis-server", self.inside("redis.conf")]

    def prepare(self) -> None:
        self.make_folder()
        settings = (
            f"bind {HOST}\n"
            f"port {self.port}\n"
            f"maxmemory {self.memory}\n"
            f"dir {self.inside()}\n"
            f"{self._render_users()}\n"
        )
        if not self.is_synced:
            # Still written before it answers: it outlives a killed server, not the machine.
            settings += "appendfsync no\n"
        self.write_settings(settings)

    def environ(self) -> dict[str, str]:
        """`REDIS_URL` is the operator's; the others are those of the processes."""
        urls = {
            role: f"redis://{role}:{password}@{HOST}:{self.port}/0"
            for role, password in self.passwords.items()
        }
        own = {f"{role.upper()}_REDIS_URL": url for role, url in urls.items() if role != "operator"}
        return {"REDIS_URL": urls["operator"], **own}

    def _render_users(self) -> str:
        text = (SERVER_FILES / "redis-users.conf").read_text(encoding="utf-8")
        for role, password in self.passwords.items():
            text = text.replace(f"{{{role}}}", hashlib.sha256(password.encode()).hexdigest())
        return text
