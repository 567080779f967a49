"""PostgreSQL 17 with TimescaleDB."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from compose.local.layout import SERVER_FILES, StackError
from compose.local.ports import HOST
from compose.local.servers.rootfs import POSTGRES_BIN, TEMPLATE
from compose.local.servers.server import Server

NAME = "tds"  # of the database, and of the role that owns it
ROLES = ("owner", "ingest", "maintenance", "beat", "web")
"""As compose/servers/roles.sql names their passwords."""
# Connections come over TCP with a password; the server keeps no socket file.
HBA = "host all all 127.0.0.1/32 scram-sha-256\n"
# What was committed outlives a killed server: the kernel has it. It does not outlive the machine.
UNSYNCED = "fsync = off\nfull_page_writes = off\n"


@dataclass(frozen=True)
class Postgres(Server):
    """A cluster with one database, `tds`, its owner, and a role for each kind of process.

    None is a superuser. The owner may create databases (tests) and the extension, which is trusted.
    `cluster`: data of a stopped server like this one, to begin with instead of an empty database.
    """

    name: ClassVar[str] = "postgres"
    settings_file: ClassVar[str] = "postgresql.conf"
    stop_signal: ClassVar[str] = "INT"

    passwords: Mapping[str, str]
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
        self._set_roles()
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
        """`DATABASE_URL` is the owner's; the others are those of the processes."""
        address = f"{HOST}:{self.port}/{NAME}"
        return {
            "DATABASE_URL": f"postgres://{NAME}:{self.passwords['owner']}@{address}",
            **{
                f"{role.upper()}_DATABASE_URL": f"postgres://{NAME}_{role}:{password}@{address}"
                for role, password in self.passwords.items()
                if role != "owner"
            },
        }

    def _create_cluster(self) -> None:
        """Made under another name and renamed, so that half a copy is never taken for data."""
        self.place.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = self.place.folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        template = self.cluster or self.place.rootfs.path / TEMPLATE
        subprocess.run(["cp", "-a", "--reflink=auto", template, fresh], check=True)
        if self.cluster is None:
            self.run_alone(
                f"{self.inside()}.new",
                f"CREATE ROLE {NAME} CREATEDB;\n\nCREATE DATABASE {NAME} OWNER {NAME};\n\n",
            )
        fresh.rename(self.folder)

    def _set_roles(self) -> None:
        """Create the roles that are missing and set their passwords, when either changed."""
        text = (SERVER_FILES / "roles.sql").read_text(encoding="utf-8")
        for role, password in self.passwords.items():
            text = text.replace(f":'{role}'", f"'{password}'")
        mark, digest = self.folder / "roles.sha256", hashlib.sha256(text.encode()).hexdigest()
        if not mark.exists() or mark.read_text(encoding="ascii") != digest:
            self.run_alone(self.inside(), f"{text}\n\n")
            self.write_private(mark.name, digest)

    def run_alone(self, folder: str, text: str) -> None:
        """Run statements in single-user mode, where nobody else can connect."""
        argv = [f"{POSTGRES_BIN}/postgres", "--single", "-j", "-D", folder]
        argv += ["-c", "password_encryption=scram-sha-256", "-c", "log_min_messages=error"]
        argv += ["postgres"] if self.is_synced else ["-c", "fsync=off", "postgres"]
        done = self.place.rootfs.run("postgres", argv, text=text)
        if done.returncode != 0 or "ERROR" in done.stderr or "FATAL" in done.stderr:
            hidden = done.stderr
            for password in self.passwords.values():
                hidden = hidden.replace(password, "(hidden)")
            raise StackError(f"the roles of {NAME} could not be created:\n{hidden.strip()}")
