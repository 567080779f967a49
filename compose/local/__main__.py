"""`python -m compose.local COMMAND`: the local stack; `make` is how it is called."""

import argparse
import os
import sys
from collections.abc import Callable

from compose.local.commands.clean import clean, distclean
from compose.local.commands.down import bring_down, show_down
from compose.local.commands.foreground import Interrupted, ignore_signals, install_handlers, watch
from compose.local.commands.status import show_status
from compose.local.commands.up import bring_up
from compose.local.folderlock import hold_lock
from compose.local.layout import REPOSITORY, Layout, StackError
from compose.local.progress import say, say_error
from compose.local.servers.rootfs import ensure_rootfs
from compose.local.stack.plan import Stack


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="compose.local", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args().command
    try:
        return COMMANDS[command](Layout()) or 0
    except StackError as error:
        say_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def up(layout: Layout) -> int:
    """Start; then wait in the foreground, unless `DETACH=1`, and stop everything at its end."""
    layout.create()
    install_handlers()
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
        ignore_signals()
        bring_down(layout, interrupt=False)
        say("Stopped; no process is left.")
        return 0 if is_ready else 130
    except StackError:
        if is_ready:
            bring_down(layout, interrupt=False)
        raise
    bring_down(layout, interrupt=False)
    return 0


def show_ready(stack: Stack, layout: Layout) -> None:
    """URLs, users, how to stop."""
    values = stack.values
    settings = layout.stack_env.relative_to(REPOSITORY)
    flower = f"{values['FLOWER_USER']} / {values['FLOWER_PASSWORD']}"
    gateway = f"{values['MQTT_GATEWAY_USER']} / {values['MQTT_GATEWAY_PASSWORD']}"
    admin = f"{values['ADMIN_USER']} / {values['ADMIN_PASSWORD']}"
    has_member = "DEMO_MEMBER" in values
    member = f"   {values['DEMO_MEMBER']} / {values['MEMBER_PASSWORD']}" if has_member else ""
    lines = [
        "",
        "Ready.",
        f"  Web       {values['WEB_URL']}/{member}",
        f"  Admin     {values['WEB_URL']}/admin/   {admin}",
        f"  Flower    {values['FLOWER_URL']}/   {flower}",
        f"  MQTT      {values['MQTT_HOST']}:{values['MQTT_PORT']}   gateways publish as {gateway}",
        f"  Settings  {settings} (addresses and passwords; shell syntax)",
        f"  Logs      {layout.logs.relative_to(REPOSITORY)}/ (make logs, make logs P=bridge-1)",
        "  Status    make status",
        "  Stop      make down" if stack.request.detach else "  Stop      Ctrl-C, or make down",
    ]
    say("\n".join(lines))


def follow_logs(layout: Layout) -> None:
    """Become `tail -F` over the logs of all programs, or of the one that `P` names."""
    name = os.environ.get("P", "")
    logs = sorted(layout.logs.glob(f"{name or '*'}.log"))
    if not logs:
        known = ", ".join(sorted(path.stem for path in layout.logs.glob("*.log"))) or "none"
        raise StackError(f"P={name!r}: there is no such log; known: {known}")
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, logs)])


def build_servers(_: Layout) -> None:
    """Install the servers; nothing is started."""
    ensure_rootfs()


COMMANDS: dict[str, Callable[[Layout], int | None]] = {
    "up": up,
    "down": show_down,
    "status": show_status,
    "logs": follow_logs,
    "clean": clean,
    "distclean": distclean,
    "rootfs": build_servers,
}

if __name__ == "__main__":
    sys.exit(main())
