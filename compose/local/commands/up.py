"""`make up`: bring the stack to what was asked for, step by step, each when the last is healthy."""

import os
import time
from collections.abc import Mapping, Sequence

from compose.local.commands.down import bring_down
from compose.local.layout import PYTHON, START_SCRIPTS, Layout, StackError, UsageError
from compose.local.ports import require_free
from compose.local.processes import end_stack_processes
from compose.local.progress import read_tail, say, say_error, step
from compose.local.stack.health import check_part, describe_address, read_pipeline
from compose.local.stack.plan import Stack, find_data, load_request, plan_stack, save_request
from compose.local.stack.programs import build_process_environment, list_bridges, run
from compose.local.stack.request import SERVER_PORTS, Request, read_request
from compose.local.stack.settings import read_stack_env, write_stack_env
from compose.local.stack.user import describe_user, hand_over
from compose.local.supervisor.supervision import Supervision

LONGEST_START_S = 60.0


def bring_up(layout: Layout) -> Stack:
    """Start or change the stack. Raises `StackError` that names the step that failed."""
    environ = dict(os.environ)
    supervision = Supervision(layout)
    is_running = supervision.is_running()
    last = load_request(layout)
    current = last if is_running else None
    external = last.external if last else {}
    own = {n: v for n, v in read_stack_env(layout.stack_env).items() if n not in external}
    request = read_request(environ, own=own, running_ports=current.ports if current else None)
    if current:
        check_change(current, request)
    if not is_running:
        # What a stack left behind whose supervisor was killed.
        if names := end_stack_processes(layout.folder, data=find_data()):
            say(f"  ended what the last run left behind: {', '.join(names)}")
        for name, port in request.ports.items():
            if not any(name in SERVER_PORTS[server] for server in request.external_servers):
                require_free(name, port)
    check_external(request)
    stack = plan_stack(request, layout=layout, environ=environ)
    say(f"  {describe_user(stack.user)}")
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
    """Servers, preparation, processes, pipeline, simulated fleet; its past is loaded afterwards."""
    servers = [server.name for server in stack.servers]
    if servers:
        with step(", ".join(servers)):
            start_healthy(servers, servers, stack.values, supervision)
    environ = build_process_environment(stack.values, layout=layout)
    with step("schema, demo fleet, administrator"):
        prepare(environ, layout=layout)
        hand_over(stack.user, stack.values, layout=layout)
    simulators = ["simulator"] if stack.request.simulate else []
    ending = [program.name for program in stack.programs if program.ends]
    names = [program.name for program in stack.programs]
    processes = [name for name in names if name not in (*servers, *simulators, *ending)]
    probed = [name for name in ("web", "enrolment", "flower") if name in processes]
    with step(", ".join(probed)):
        start_healthy(processes, probed, stack.values, supervision)
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
    supervision.start_ending(ending)


def start_healthy(
    names: Sequence[str],
    probed: Sequence[str],
    values: Mapping[str, str],
    supervision: Supervision,
) -> None:
    """Start programs; return when the probed answer. Raises `StackError` for one that does not."""
    supervision.start_programs(names)
    deadline = time.monotonic() + LONGEST_START_S
    for name in probed:
        while problem := check_part(name, values):
            supervision.require_running([name])
            if time.monotonic() > deadline:
                text = f"is not healthy after {LONGEST_START_S:.0f} s: {problem}"
                raise supervision.failure(name, text)
            time.sleep(0.1)


def prepare(environ: Mapping[str, str], *, layout: Layout) -> None:
    """Run the start script `prepare` to its end; its output goes to a log."""
    path = layout.logs / "prepare.log"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8") as log:
        code = run([str(START_SCRIPTS / "prepare")], environ, log=log).returncode
    if code != 0:
        raise StackError(f"prepare failed with exit code {code}. Log: {path}\n{read_tail(path)}")


def retire_bridges(request: Request, environ: Mapping[str, str]) -> None:
    """End the broker sessions of bridges that are no longer wanted: messages would wait there."""
    for client_id in run_bridge(["--list-sessions"], environ, timeout_s=30).split():
        if client_id not in list_bridges(request, environ).values():
            with step(f"retired {client_id}, its session ended at the broker"):
                run_bridge(["--retire", "--client-id", client_id], environ, timeout_s=300)


def run_bridge(options: Sequence[str], environ: Mapping[str, str], *, timeout_s: float) -> str:
    """Run a command of the bridge; returns what it printed. Raises `StackError`."""
    done = run([str(PYTHON), "-m", "ingest_bridge", *options], environ, timeout_s=timeout_s)
    if done.returncode != 0:
        text = done.stderr.strip() or f"exit code {done.returncode}"
        raise StackError(f"ingest_bridge {' '.join(options)} failed:\n{text}")
    return done.stdout


def check_change(current: Request, request: Request) -> None:
    """A running stack keeps its ports and its servers."""
    if dict(current.external) != dict(request.external):
        raise UsageError(
            "the running stack uses other servers than DATABASE_URL, REDIS_URL and MQTT_HOST "
            "name; run make down first"
        )
    for name, port in request.ports.items():
        if current.ports.get(name, port) != port:
            raise UsageError(
                f"{name}={port}: the running stack uses {current.ports[name]}; run make down first"
            )


def check_external(request: Request) -> None:
    """Servers that the environment names must serve now."""
    for name in request.external_servers:
        address = describe_address(name, request.external)
        if problem := check_part(name, request.external):
            raise UsageError(
                f"{name} at {address}, named by the environment, does not serve: {problem}; "
                "start it, or unset its variables to let make up start one"
            )
        say(f"  using {name} at {address}, named by the environment")
