"""`make status`: every process and server, its port and health, and the queues."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from rich.markup import escape
from rich.table import Table

from compose.local.layout import Layout
from compose.local.ports import DEFAULT_PORTS
from compose.local.progress import OUT, say
from compose.local.stack.health import check_part, describe_address, read_pipeline
from compose.local.stack.plan import load_request
from compose.local.stack.programs import build_process_environment
from compose.local.stack.request import SERVER_PORTS
from compose.local.stack.settings import read_stack_env
from compose.local.supervisor.supervision import State, Supervision

PORTS = {
    "web": ("WEB_PORT",),
    "enrolment": ("ENROLMENT_PORT",),
    "flower": ("FLOWER_PORT",),
    **SERVER_PORTS,
}
"""What is probed, and where it listens."""


def show_status(layout: Layout) -> int:
    """Print the table; the exit code is 0 when everything is healthy."""
    supervision = Supervision(layout)
    request = load_request(layout)
    values = read_stack_env(layout.stack_env)
    if request is None or not values or not supervision.is_running():
        say("The stack does not run. make up starts it.")
        return 1
    environ = build_process_environment(values, layout=layout)
    with ThreadPoolExecutor(8) as pool:
        pipeline = pool.submit(read_pipeline, request, environ)
        parts = {name: pool.submit(check_part, name, values) for name in PORTS}
        problems = {name: part.result() for name, part in parts.items()}
        status = pipeline.result()
    starts = supervision.count_starts()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("name", "state", "pid", "port", "health", "up", "restarts"):
        table.add_column(title, justify="right" if title in ("pid", "restarts") else "left")
    for name in request.external_servers:
        address = describe_address(name, values)
        table.add_row(name, "external", "", address, show_health(problems[name]), "", "")
    for name, state in supervision.list_states().items():
        problems[name] = check_program(state, problems.get(name, ""), status)
        ports = [request.ports.get(port, DEFAULT_PORTS[port]) for port in PORTS.get(name, ())]
        uptime = timedelta(seconds=int(time.time() - state["start"]))
        table.add_row(
            name,
            state["statename"].lower(),
            str(state["pid"] or ""),
            " ".join(map(str, ports)),
            show_health(problems[name]),
            str(uptime) if state["statename"] == "RUNNING" else "",
            str(max(0, starts[name] - 1)),
        )
    OUT.print(table)
    for name, depth in status.get("queues", {}).items():
        say(f"queue {name}: {depth['waiting']} waiting, {depth['unacked']} held by workers")
    if "pending_batches" in status:
        say(f"pending batches: {status['pending_batches']}")
    found = [f"{name}: {problem}" for name, problem in problems.items() if problem]
    found = [*status["problems"], *found]
    for problem in found:
        OUT.print("[red]problem:[/red]", problem, markup=True)
    for note in status.get("notes", ()):
        say(f"note: {note}")
    is_healthy = not found and bool(status["healthy"])
    say("All healthy." if is_healthy else "Not healthy.")
    return 0 if is_healthy else 1


def check_program(state: State, problem: str, status: dict[str, Any]) -> str:
    """A program must run, answer its probe, and be seen by the pipeline if it is part of it; one
    that ends by itself must have ended well."""
    if state["statename"] == "EXITED" and state["exitstatus"] == 0:  # others are started again
        return ""
    if state["statename"] != "RUNNING":
        return f"{state['statename'].lower()} (exit code {state['exitstatus']})"
    for bridge in status.get("bridges", ()):
        if bridge["client_id"] == state["name"] and bridge["state"] != "ready":
            return f"{bridge['state']}, seen {bridge['age_s']} s ago"
    for pool in status.get("pools", ()):
        if f"worker-{pool['name'].split('@')[0]}" == state["name"] and not pool["ok"]:
            return "does not answer"
    return problem


def show_health(problem: str) -> str:
    """`ok`, or the start of the problem."""
    return f"[red]{escape(problem[:60])}[/red]" if problem else "[green]ok[/green]"
