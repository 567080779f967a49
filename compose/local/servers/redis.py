"""Redis 8: the Celery queues and the batches that wait."""

from dataclasses import dataclass
from typing import ClassVar

from compose.local.layout import SERVER_FILES
from compose.local.ports import HOST
from compose.local.servers.server import Server


@dataclass(frozen=True)
class Redis(Server):
    """A Redis that writes every change to disk before it answers."""

    name: ClassVar[str] = "redis"

    password: str
    memory: str = "1gb"
    is_synced: bool = True

    @property
    def argv(self) -> list[str]:
        program = ["/usr/bin/redis-server", self.place.inside("redis", "redis.conf")]
        return self.place.rootfs.command("redis", program)

    def prepare(self) -> None:
        self.place.make_folder("redis", user="redis")
        shared = (SERVER_FILES / "redis.conf").read_text(encoding="utf-8")
        local = (
            f"bind {HOST}\n"
            f"port {self.port}\n"
            f"requirepass {self.password}\n"
            f"maxmemory {self.memory}\n"
            f"dir {self.place.inside('redis')}\n"
        )
        if not self.is_synced:
            # Still written before it answers: it outlives a killed server, not the machine.
            local += "appendfsync no\n"
        self.place.write_private("redis/redis.conf", f"{shared}\n{local}", user="redis")

    def environ(self) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{self.password}@{HOST}:{self.port}/0"}
