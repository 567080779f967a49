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
autorestart={restart}
startsecs={start_s}
startretries=18
stopsignal={stop_signal}
stopwaitsecs={stop_wait_s}
stopasgroup={stop_group}
killasgroup=true
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""
# The path of a socket is short: supervisor runs in the folder in which it makes its own.
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
file=/proc/self/cwd/supervisor.sock
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def write_config(path: Path, programs: Iterable[Program], *, layout: Layout) -> None:
    """Write the file, and the settings of each program, which only their owner can read."""
    folder = layout.run / "env"
    folder.mkdir(mode=0o700, exist_ok=True)
    text = fill(SUPERVISOR, run=layout.run, logs=layout.logs)
    for program in programs:
        settings = render_environment(program.environ)
        write_private(folder / program.name, settings)
        command = [str(WITH_ENV), str(folder / program.name), *program.argv]
        text += fill(
            PROGRAM,
            name=program.name,
            command=shlex.join(command),
            directory=REPOSITORY,
            # By this supervisor sees that a program's settings changed.
            digest=hashlib.sha256(settings.encode()).hexdigest()[:16],
            priority=program.priority,
            restart=str(not program.ends).lower(),
            start_s=0 if program.ends else 1,
            stop_signal=program.stop_signal,
            stop_wait_s=program.stop_wait_s,
            stop_group=str(program.stop_group).lower(),
            logs=layout.logs,
        )
    write_private(path, text)


def fill(template: str, **values: Any) -> str:
    """A settings text; supervisor expands `%`, so those in values are doubled."""
    return template.format(
        **{name: str(value).replace("%", "%%") for name, value in values.items()}
    )
