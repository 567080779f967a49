#!/usr/bin/env python
"""Django's command line. `manage.py help` lists the commands."""

import os
import sys
from pathlib import Path

# Who gives one of these means other servers than those of the local stack.
ADDRESSES = ("DATABASE_URL", "REDIS_URL", "MQTT_HOST")
STACK_ENV = Path(__file__).parent / ".local" / "stack.env"


def use_local_stack() -> None:
    """In a shell without settings: those of the local stack, where one lies beside this file.

    Never beside an address that is given, nor with other settings modules, as of tests; images
    have no such file. Whatever else the environment holds wins; an empty variable holds nothing.
    """
    is_given = any(map(_is_given, ADDRESSES))
    is_ours = os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings") == "config.settings"
    if is_given or not is_ours or not STACK_ENV.is_file():
        return
    from compose.local.stack.settings import read_stack_env  # noqa: PLC0415 - images lack it

    for name, value in read_stack_env(STACK_ENV).items():
        if not _is_given(name):
            os.environ[name] = value
    if sys.stderr.isatty():
        sys.stderr.write("Settings: .local/stack.env\n")


def _is_given(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def main() -> None:
    """Run a management command."""
    use_local_stack()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - needs the line before

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
