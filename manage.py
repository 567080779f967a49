#!/usr/bin/env python
"""Django's command line. `manage.py help` lists the commands."""

import importlib
import os
import sys

# Commands with a stack of their own: they need no settings before it runs.
WITH_OWN_STACK = {"bench": "compose.bench.__main__", "chaos": "compose.chaos.__main__"}


def main() -> None:
    """Run a management command."""
    if sys.argv[1:2] and sys.argv[1] in WITH_OWN_STACK:
        sys.exit(importlib.import_module(WITH_OWN_STACK[sys.argv[1]]).main(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - needs the line before

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
