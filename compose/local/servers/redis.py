"""Redis 8: the Celery queues and the batches that wait."""

from dataclasses import dataclass
from typing import ClassVar

from compose.local.ports import HOST
from compose.local.servers.server import Server


@dataclass(frozen=True)
class Redis(Server):
    """A Redis that writes every change to disk before it answers."""

    name: ClassVar[str] = "redis"
    settings_file: ClassVar[str] = "redis.conf"

    password: str
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
            f"requirepass {self.password}\n"
            f"maxmemory {self.memory}\n"
            f"dir {self.inside()}\n"
        )
        if not self.is_synced:
            # Still written before it answers: it outlives a killed server, not the machine.
            settings += "appendfsync no\n"
        self.write_settings(settings)

    def environ(self) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{self.password}@{HOST}:{self.port}/0"}
