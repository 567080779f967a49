"""Supervisor's settings file: one section for each program, with its settings in a file beside."""

import hashlib
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from compose.local.layout import REPOSITORY, Layout, write_private
from compose.local.stack.programs import Program, render_environment

WITH_ENV = Path(__file__).with_name("with_env")

# Exits within `startsecs` count as failed starts; after `startretries` supervisor gives
# up. It waits one second more each time, so this is about three minutes.
PROGRAM = """
[program:{name}]
command={command}
directory={directory}
environment=SETTINGS_DIGEST="{digest}"
priority={priority}
autostart=false
autorestart=true
startsecs=1
startretries=18
stopsignal={stop_signal}
stopwaitsecs={stop_wait_s}
stopasgroup={stop_group}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""
SUPERVISOR = """
[supervisord]
nodaemon=true
pidfile={run}/supervisord.pid
logfile={logs}/supervisord.log
logfile_maxbytes=10MB
logfile_backups=2
childlogdir={logs}
minfds=4096

[unix_http_server]
file={socket}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def write_config(path: Path, programs: Iterable[Program], *, layout: Layout, socket: Path) -> None:
    """Write the file, and the settings of each program, which only their owner can read."""
    (layout.run / "env").mkdir(mode=0o700, exist_ok=True)
    text = fill(SUPERVISOR, {"run": layout.run, "logs": layout.logs, "socket": socket})
    for program in programs:
        text += render_program(program, layout=layout)
    write_private(path, text)


def render_program(program: Program, *, layout: Layout) -> str:
    """A program's section. The digest of its settings makes supervisor see when they change."""
    settings = render_environment(program.environ)
    path = layout.run / "env" / program.name
    write_private(path, settings)
    values = {
        "name": program.name,
        "command": shlex.join([str(WITH_ENV), str(path), *program.argv]),
        "directory": REPOSITORY,
        "digest": hashlib.sha256(settings.encode()).hexdigest()[:16],
        "priority": program.priority,
        "stop_signal": program.stop_signal,
        "stop_wait_s": program.stop_wait_s,
        "stop_group": str(program.stop_group).lower(),
        "log": layout.logs / f"{program.name}.log",
    }
    return fill(PROGRAM, values)


def fill(template: str, values: dict[str, Any]) -> str:
    """A settings text; supervisor expands `%`, so those in values are doubled."""
    return template.format(
        **{name: str(value).replace("%", "%%") for name, value in values.items()}
    )
