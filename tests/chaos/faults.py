"""How each kind of fault is caused, and how the part is given back."""

import os
import signal
from contextlib import suppress
from typing import Any

import psutil
import psycopg
from psycopg import sql

from tests.chaos.cause import Cause, do_nothing, restore
from tests.chaos.clocks import list_clocks
from tests.chaos.disks import list_disks
from tests.chaos.pauses import list_pauses
from tests.chaos.redis_faults import list_redis
from tests.chaos.schedule import WHOLE, Kind
from tests.chaos.stack import LINKS, ChaosStack, resume_tree, stop_tree

SERVERS = ("mosquitto", "redis", "postgres")
LINK_NAMES = ("gateway-mqtt", *(f"{name}-{server}" for name in LINKS for server in LINKS[name]))

END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user"
)


def list_causes() -> dict[str, Cause]:
    """Every fault that can be caused, by name."""
    causes = [
        *(_kill_process(name) for name in LINKS),
        *(_freeze_process(name) for name in LINKS),
        _kill_child("ingest"),
        _freeze_child("ingest"),
        *(_kill_server(name) for name in SERVERS),
        *(_freeze_server(name) for name in SERVERS),
        *(_stop_server(name) for name in SERVERS),
        *(_cut(name) for name in LINK_NAMES),
        *(_stall(name) for name in LINK_NAMES),
        Cause(Kind("postgres: SIGKILL a backend", "postgres"), kill_backend, restore("postgres")),
        Cause(Kind("postgres: read-only", "postgres"), set_read_only, unset_read_only),
        Cause(
            Kind("postgres: no connections left", "postgres"), take_connections, give_connections
        ),
        *list_redis(),
        *list_pauses(),
        *list_disks(),
        *list_clocks(),
        Cause(Kind("everything: restart", WHOLE), stop_everything, start_everything),
        Cause(Kind("everything: SIGKILL", WHOLE), kill_everything, start_everything),
    ]
    return {cause.kind.name: cause for cause in causes}


def _kill_process(name: str) -> Cause:
    def apply(stack: ChaosStack) -> None:
        """The parent alone: its children must notice by themselves."""
        process = stack.processes[name]
        process.is_wanted = False
        os.kill(process.pid, signal.SIGKILL)

    def heal(stack: ChaosStack) -> None:
        stack.processes[name].is_wanted = True

    return Cause(Kind(f"{name}: SIGKILL", name), apply, heal)


def _freeze_process(name: str) -> Cause:
    return Cause(
        Kind(f"{name}: SIGSTOP", name),
        lambda stack: stop_tree(stack.processes[name].pid),
        lambda stack: resume_tree(stack.processes[name].pid),
    )


def _kill_child(name: str) -> Cause:
    return Cause(
        Kind(f"{name}: SIGKILL a child", name),
        lambda stack: os.kill(stack.processes[name].children()[0], signal.SIGKILL),
        do_nothing,
    )


def _freeze_child(name: str) -> Cause:
    def heal(stack: ChaosStack) -> None:
        resume_tree(stack.processes[name].pid)

    return Cause(
        Kind(f"{name}: SIGSTOP a child", name),
        lambda stack: os.kill(stack.processes[name].children()[0], signal.SIGSTOP),
        heal,
    )


def _kill_server(name: str) -> Cause:
    return Cause(
        Kind(f"{name}: SIGKILL", name), lambda stack: stack.find(name).kill(), restore(name)
    )


def _freeze_server(name: str) -> Cause:
    return Cause(
        Kind(f"{name}: SIGSTOP", name),
        lambda stack: stop_tree(stack.find(name).pid),
        restore(name),
    )


def _stop_server(name: str) -> Cause:
    return Cause(
        Kind(f"{name}: orderly stop", name), lambda stack: stack.find(name).stop(), restore(name)
    )


def _cut(link: str) -> Cause:
    return Cause(
        Kind(f"{link}: cut", link),
        lambda stack: stack.proxies.cut(link),
        lambda stack: stack.proxies.restore(link),
    )


def _stall(link: str) -> Cause:
    return Cause(
        Kind(f"{link}: stall", link),
        lambda stack: stack.proxies.stall(link),
        lambda stack: stack.proxies.restore(link),
    )


def kill_backend(stack: ChaosStack) -> None:
    """A backend that dies takes all connections with it: the server starts its recovery."""
    with _connect(stack) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'tds-ingest' LIMIT 1"
        ).fetchone()
        pid = connection.info.backend_pid if found is None else found[0]  # any will do
        with suppress(psycopg.Error):
            os.kill(pid, signal.SIGKILL)
            connection.execute("SELECT 1")  # our own is taken along


def set_read_only(stack: ChaosStack) -> None:
    """As a primary that became a standby: every write ends with SQLSTATE 25006."""
    with _connect(stack) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name)
        )
        connection.execute(END_SESSIONS)


def unset_read_only(stack: ChaosStack) -> None:
    """Writable again, for new sessions; those that stand are left to the product."""
    with _connect(stack) as connection:
        connection.execute("SET default_transaction_read_only = off")
        name = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name)
        )


def take_connections(stack: ChaosStack) -> None:
    """Our connection is the last that is allowed: SQLSTATE 53300 for everybody else."""
    connection = stack.kept = _connect(stack)
    name = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 1").format(name))
    connection.execute(END_SESSIONS)


def give_connections(stack: ChaosStack) -> None:
    """Connections for everybody again."""
    assert stack.kept is not None
    name = sql.Identifier(stack.kept.info.dbname)
    stack.kept.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(name))
    stack.kept.close()
    stack.kept = None


def stop_everything(stack: ChaosStack) -> None:
    """An orderly stop: processes first, then servers."""
    for process in stack.processes.values():
        process.ask_to_stop()
    for process in stack.processes.values():
        process.stop()
    for name in SERVERS:
        stack.find(name).stop()


def kill_everything(stack: ChaosStack) -> None:
    """As when the kernel dies, but that what was written is on disk."""
    for process in stack.processes.values():
        process.is_wanted = False
        process.kill()
    for name in SERVERS:
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(stack.find(name).pid).children(recursive=True):
                child.kill()
        stack.find(name).kill()


def start_everything(stack: ChaosStack) -> None:
    """Servers first, then processes."""
    for name in SERVERS:
        stack.restore_server(name)
    stack.want_all()


def _connect(stack: ChaosStack) -> psycopg.Connection[Any]:
    return psycopg.connect(stack.environ["DATABASE_URL"], autocommit=True, connect_timeout=5)
