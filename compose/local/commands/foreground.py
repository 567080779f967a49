"""`make up` as a whole: start, show where everything is, wait, and stop everything at the end."""

import os
import signal
import time
from types import FrameType

from compose.local.commands.down import bring_down
from compose.local.commands.up import bring_up
from compose.local.folderlock import hold_lock
from compose.local.layout import REPOSITORY, Layout, StackError
from compose.local.processes import is_alive
from compose.local.progress import say
from compose.local.stack.plan import Stack
from compose.local.supervisor.supervision import Supervision

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asks to stop everything."""


def up(layout: Layout) -> int:
    """Start; then wait in the foreground, unless `DETACH=1`, and stop everything at its end."""
    layout.create()
    for number in SIGNALS:
        signal.signal(number, interrupt)
    is_ready = False
    try:
        with hold_lock(layout.lock, waiting="another make up to be ready"):
            stack = bring_up(layout)
            show_ready(stack, layout)
        is_ready = True
        if stack.request.detach:
            return 0
        watch(layout)
    except Interrupted as signal_name:
        say(f"\n{signal_name}: stopping everything")
        bring_down(layout, interrupt=False)
        say("Stopped; no process is left.")
        return 0 if is_ready else 130
    except StackError:
        if is_ready:
            bring_down(layout, interrupt=False)
        raise
    bring_down(layout, interrupt=False)
    return 0


def interrupt(number: int, _: FrameType | None) -> None:
    """Raise `Interrupted`, once: a second Ctrl-C must not cut the stopping short."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(signal.Signals(number).name)


def show_ready(stack: Stack, layout: Layout) -> None:
    """URLs, users, how to stop."""
    values = stack.values
    member = "   {DEMO_MEMBER} / {MEMBER_PASSWORD}" if "DEMO_MEMBER" in values else ""
    tls = ""
    if "MQTT_TLS_PORT" in values:
        tls = "\n  MQTT TLS  127.0.0.1:{MQTT_TLS_PORT}   certificates in {MQTT_TLS_FOLDER}"
        tls += "\n  Enrolment {ENROLMENT_URL}   telemetry/certificates/README.md"
    text = f"""
Ready.
  Web       {{WEB_URL}}/{member}
  Admin     {{WEB_URL}}/admin/   {{ADMIN_USER}} / {{ADMIN_PASSWORD}}
  Flower    {{FLOWER_URL}}/   {{FLOWER_USER}} / {{FLOWER_PASSWORD}}
  MQTT      {{MQTT_HOST}}:{{MQTT_PORT}}   gateways publish as {{MQTT_GATEWAY_USER}} / \
{{MQTT_GATEWAY_PASSWORD}}
            without TLS: for this demo, on this host only{tls}
  Settings  {layout.stack_env.relative_to(REPOSITORY)} (addresses and passwords; shell syntax)
  Logs      {layout.logs.relative_to(REPOSITORY)}/ (make logs, make logs P=bridge-1)
  Status    make status
  Stop      {"make down" if stack.request.detach else "Ctrl-C, or make down"}"""
    say(text.format(**values))


def watch(layout: Layout) -> None:
    """Show what supervisor logs until a signal comes, the stack stops, or make itself is gone."""
    supervision = Supervision(layout)
    supervisor, parent = supervision.read_pid(), os.getppid()
    with supervision.log.open(encoding="utf-8", errors="replace") as log:
        log.seek(0, os.SEEK_END)
        while is_alive(supervisor):
            if os.getppid() != parent:
                say("make is gone.")
                return
            for line in log:
                say(line.rstrip())
            time.sleep(1)
    if supervision.socket.exists():  # one that ends in order removes it
        raise StackError(f"supervisor ended. Log: {supervision.log}")
    say("The stack was stopped.")
