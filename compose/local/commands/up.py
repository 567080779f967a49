"""`make up`: bring the stack to what was asked for, step by step, each when the last is healthy."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence

from compose.local.commands.down import bring_down
from compose.local.layout import REPOSITORY, START_SCRIPTS, Layout, StackError, UsageError
from compose.local.ports import require_free
from compose.local.processes import end_stack_processes
from compose.local.progress import read_tail, say, say_error, step
from compose.local.stack.health import check_part, describe_address, read_pipeline
from compose.local.stack.plan import Stack, find_data, load_request, plan_stack, save_request
from compose.local.stack.programs import build_process_environment, list_bridges, run_python
from compose.local.stack.request import SERVER_PORTS, Request, read_request
from compose.local.stack.settings import read_stack_env, write_stack_env
from compose.local.supervisor.supervision import Supervision

SERVERS = tuple(SERVER_PORTS)
LONGEST_START_S = 60.0


def bring_up(layout: Layout) -> Stack:
    """Start or change the stack. Raises `StackError` that names the step that failed."""
    environ = dict(os.environ)
    supervision = Supervision(layout)
    is_running = supervision.is_running()
    last = load_request(layout)
    current = last if is_running else None
    given = last.given if last else {}
    own = {n: v for n, v in read_stack_env(layout.stack_env).items() if n not in given}
    ports = current.ports if current else None
    request = read_request(environ, own=own, running_ports=ports)
    if is_running:
        check_change(current, request)
    else:
        end_orphans(layout)
        check_ports(request)
    check_given(request)
    stack = plan_stack(request, layout=layout, environ=environ)
    write_stack_env(layout.stack_env, stack.values)
    for server in [] if is_running else stack.servers:
        server.prepare()
    supervision.write_config(stack.programs)
    if is_running:
        with step("took over the new set"):
            supervision.reload()
    else:
        supervision.start()
    save_request(request, layout)
    try:
        start_in_order(stack, supervision, layout=layout)
    except StackError as error:
        if not is_running:
            say_error(str(error))
            bring_down(layout, interrupt=False)
            raise StackError("the stack did not start; see above") from error
        raise
    return stack


def start_in_order(stack: Stack, supervision: Supervision, *, layout: Layout) -> None:
    """Servers, preparation, processes, pipeline, simulated fleet."""
    own = [server.name for server in stack.servers]
    if own:
        with step(", ".join(own)):
            supervision.start_programs(own)
            for name in own:
                wait_healthy(name, stack.values, supervision)
    environ = build_process_environment(stack.values, layout=layout)
    with step("schema, demo fleet, administrator"):
        run_script("prepare", environ, layout=layout)
    names = [program.name for program in stack.programs if program.name not in own]
    simulators = [name for name in names if name == "simulator"]
    processes = [name for name in names if name not in simulators]
    with step("web, flower"):
        supervision.start_programs(processes)
        for name in ("web", "flower"):
            wait_healthy(name, stack.values, supervision)
    with step("bridges, pools and beat"):
        status = read_pipeline(stack.request, environ, wait_s=60.0)
        supervision.require_running(processes)
        if not status["healthy"]:
            problems = "; ".join(status["problems"])
            raise StackError(f"the pipeline is not healthy: {problems}. Logs: {layout.logs}")
    retire_bridges(stack.request, environ)
    for name in simulators:
        with step(name):
            supervision.start_programs([name])


def wait_healthy(name: str, values: Mapping[str, str], supervision: Supervision) -> None:
    """Return when the part answers its probe. Raises `StackError` when it ended or takes long."""
    deadline = time.monotonic() + LONGEST_START_S
    while problem := check_part(name, values):
        supervision.require_running([name])
        if time.monotonic() > deadline:
            raise supervision.failure(
                name, f"is not healthy after {LONGEST_START_S:.0f} s: {problem}"
            )
        time.sleep(0.1)


def run_script(name: str, environ: Mapping[str, str], *, layout: Layout) -> None:
    """Run a start script to its end; its output goes to a log."""
    log = layout.logs / f"{name}.log"
    with log.open("wb") as out:
        code = subprocess.run(
            [str(START_SCRIPTS / name)],
            cwd=REPOSITORY,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code != 0:
        raise StackError(f"{name} failed with exit code {code}. Log: {log}\n{read_tail(log)}")


def retire_bridges(request: Request, environ: Mapping[str, str]) -> None:
    """End the broker sessions of bridges that are no longer wanted: messages would wait there."""
    for client_id in run_bridge(["--list-sessions"], environ, timeout_s=30).split():
        if client_id not in list_bridges(request):
            with step(f"retired {client_id}, its session ended at the broker"):
                run_bridge(["--retire", "--client-id", client_id], environ, timeout_s=300)


def run_bridge(options: Sequence[str], environ: Mapping[str, str], *, timeout_s: float) -> str:
    """Run a command of the bridge; returns what it printed. Raises `StackError`."""
    done = run_python(["-m", "ingest_bridge", *options], environ, timeout_s=timeout_s)
    if done.returncode != 0:
        words = done.stderr.strip() or f"exit code {done.returncode}"
        raise StackError(f"ingest_bridge {' '.join(options)} failed:\n{words}")
    return done.stdout


def check_change(current: Request | None, request: Request) -> None:
    """A running stack keeps its ports and its servers."""
    if current is None:
        return
    if dict(current.given) != dict(request.given):
        raise UsageError(
            "the running stack uses other servers than DATABASE_URL, REDIS_URL and MQTT_HOST "
            "name; run make down first"
        )
    for name, port in request.ports.items():
        if name in os.environ and current.ports.get(name, port) != port:
            raise UsageError(
                f"{name}={port}: the running stack uses {current.ports[name]}; run make down first"
            )


def check_ports(request: Request) -> None:
    """Every port that this stack will listen on must be free."""
    unused = {
        name for server in SERVERS if request.is_given(server) for name in SERVER_PORTS[server]
    }
    for name, port in request.ports.items():
        if name not in unused:
            require_free(name, port)


def check_given(request: Request) -> None:
    """Servers that the environment names must serve now."""
    for name in SERVERS:
        if request.is_given(name):
            address = describe_address(name, request.given)
            if problem := check_part(name, request.given):
                raise UsageError(
                    f"{name} at {address}, named by the environment, does not serve: {problem}; "
                    "start it, or unset its variables to let make up start one"
                )
            say(f"  using {name} at {address}, named by the environment")


def end_orphans(layout: Layout) -> None:
    """End what a stack left behind whose supervisor was killed."""
    names = end_stack_processes(layout.folder, data=find_data())
    if names:
        say(f"  ended what the last run left behind: {', '.join(names)}")
