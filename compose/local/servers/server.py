"""One server in the private root filesystem: its files, its command line, its settings."""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from compose.local.layout import SERVER_FILES, write_private
from compose.local.servers.rootfs import Rootfs


@dataclass(frozen=True)
class Place:
    """Where one stack's servers keep their data: `data/<stack>` in the root filesystem."""

    rootfs: Rootfs
    stack: str

    @property
    def folder(self) -> Path:
        return self.rootfs.data / self.stack


@dataclass(frozen=True)
class Server(ABC):
    """What `make up` and the tests need to know of a server. `name` is also that of its program,
    of its user and of its folder."""

    name: ClassVar[str]
    settings_file: ClassVar[str]
    stop_signal: ClassVar[str] = "TERM"  # for a clean stop that does not wait for clients

    place: Place
    port: int

    @property
    def folder(self) -> Path:
        return self.place.folder / self.name

    @property
    def argv(self) -> list[str]:
        """The command that becomes the server; it stays in the foreground."""
        return self.place.rootfs.command(self.name, self.program)

    @property
    @abstractmethod
    def program(self) -> list[str]:
        """That command inside the root filesystem."""

    @abstractmethod
    def prepare(self) -> None:
        """Write settings and create data where there is none. Repeatable."""

    @abstractmethod
    def environ(self) -> dict[str, str]:
        """Address and credentials, as the product's settings name them."""

    def inside(self, *parts: str) -> str:
        """A path below its folder as the server sees it."""
        return "/".join(("", "data", self.place.stack, self.name, *parts))

    def make_folder(self) -> None:
        """Its private folder. Owners are set again after a new root filesystem."""
        uid, gid = self.place.rootfs.find_user(self.name)
        self.place.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self.folder.stat().st_uid != uid:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)

    def write_settings(self, text: str) -> None:
        """The settings of `compose/servers`, and after them those of this server alone."""
        shared = (SERVER_FILES / self.settings_file).read_text(encoding="utf-8")
        self.write_private(self.settings_file, f"{shared}\n{text}")

    def write_private(self, name: str, text: str) -> None:
        """A file that only the server's user can read, replaced in one step."""
        owner = self.place.rootfs.find_user(self.name)
        write_private(self.folder / name, text, owner=owner)
