"""One server in the private root filesystem: its files, its command line, its settings."""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from compose.local.layout import write_private
from compose.local.servers.rootfs import Rootfs


@dataclass(frozen=True)
class Place:
    """Where one stack's servers keep their data: `data/<stack>` in the root filesystem."""

    rootfs: Rootfs
    stack: str

    @property
    def folder(self) -> Path:
        return self.rootfs.data / self.stack

    def inside(self, *parts: str) -> str:
        """A path as the server sees it."""
        return "/".join(("", "data", self.stack, *parts))

    def make_folder(self, name: str, *, user: str) -> Path:
        """A private folder of a server. Owners are set again after a new root filesystem."""
        uid, gid = self.rootfs.find_user(user)
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, uid, gid)
        if folder.stat().st_uid != uid:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)
        return folder

    def write_private(self, name: str, text: str, *, user: str) -> None:
        """A file that only the server's user can read, replaced in one step."""
        write_private(self.folder / name, text, owner=self.rootfs.find_user(user))


@dataclass(frozen=True)
class Server(ABC):
    """What `make up` and the tests need to know of a server. `name` is also its program's."""

    name: ClassVar[str]
    stop_signal: ClassVar[str] = "TERM"  # for a clean stop that does not wait for clients

    place: Place
    port: int

    @property
    @abstractmethod
    def argv(self) -> list[str]:
        """The command that becomes the server; it stays in the foreground."""

    @abstractmethod
    def prepare(self) -> None:
        """Write settings and create data where there is none. Repeatable."""

    @abstractmethod
    def environ(self) -> dict[str, str]:
        """Address and credentials, as the product's settings name them."""
