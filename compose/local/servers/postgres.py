"""PostgreSQL 17 with TimescaleDB."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from compose.local.layout import StackError
from compose.local.ports import HOST
from compose.local.servers.rootfs import POSTGRES_BIN, TEMPLATE
from compose.local.servers.server import Server

NAME = "tds"  # of the database, and of the role that owns it
# Connections come over TCP with a password; the server keeps no socket file.
HBA = "host all all 127.0.0.1/32 scram-sha-256\n"
# What was committed outlives a killed server: the kernel has it. It does not outlive the machine.
UNSYNCED = "fsync = off\nfull_page_writes = off\n"


@dataclass(frozen=True)
class Postgres(Server):
    """A cluster with one database, `tds`, and the role that owns it.

    The role is no superuser. It may create databases (tests) and the extension, which is trusted.
    `cluster`: data of a stopped server like this one, to begin with instead of an empty database.
    """

    name: ClassVar[str] = "postgres"
    settings_file: ClassVar[str] = "postgresql.conf"
    stop_signal: ClassVar[str] = "INT"

    password: str
    is_synced: bool = True
    cluster: Path | None = None

    @property
    def program(self) -> list[str]:
        return [f"{POSTGRES_BIN}/postgres", "-D", self.inside()]

    def prepare(self) -> None:
        """Copy the cluster template on the first start; write the settings each time."""
        if not self.folder.exists():
            self._create_cluster()
        self.make_folder()
        found = (self.folder / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != "17":
            raise StackError(
                f"{self.folder} was made by PostgreSQL {found}: expected 17; dump it with the old "
                "version and load it, or delete it with make clean"
            )
        settings = (
            f"listen_addresses = '{HOST}'\n"
            f"port = {self.port}\n"
            "unix_socket_directories = ''\n"
            "# There is no shared memory file system in the private root.\n"
            "dynamic_shared_memory_type = mmap\n"
        )
        self.write_settings(settings if self.is_synced else settings + UNSYNCED)
        self.write_private("pg_hba.conf", HBA)

    def environ(self) -> dict[str, str]:
        return {"DATABASE_URL": f"postgres://{NAME}:{self.password}@{HOST}:{self.port}/{NAME}"}

    def _create_cluster(self) -> None:
        """Made under another name and renamed, so that half a copy is never taken for data."""
        self.place.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = self.place.folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        template = self.cluster or self.place.rootfs.path / TEMPLATE
        subprocess.run(["cp", "-a", "--reflink=auto", template, fresh], check=True)
        self._set_owner(f"{self.inside()}.new")
        fresh.rename(self.folder)

    def _set_owner(self, folder: str) -> None:
        """Create role and database in single-user mode, where nobody else can connect.

        Those of a given cluster are there: the role gets this server's password.
        """
        statements = [
            f"CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{self.password}'",
            f"CREATE DATABASE {NAME} OWNER {NAME}",
        ]
        if self.cluster is not None:
            statements = [f"ALTER ROLE {NAME} PASSWORD '{self.password}'"]
        argv = [f"{POSTGRES_BIN}/postgres", "--single", "-j", "-D", folder]
        argv += ["-c", "password_encryption=scram-sha-256", "-c", "log_min_messages=error"]
        argv += ["postgres"] if self.is_synced else ["-c", "fsync=off", "postgres"]
        text = "".join(f"{statement};\n\n" for statement in statements)
        done = self.place.rootfs.run("postgres", argv, text=text)
        if done.returncode != 0 or "ERROR" in done.stderr or "FATAL" in done.stderr:
            hidden = done.stderr.replace(self.password, "(hidden)").strip()
            raise StackError(f"the database {NAME} could not be created:\n{hidden}")
