"""`manage.py load_fleet FILE`: accounts, gateways and devices from JSON."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from telemetry.fleet.load import FleetError, load_fleet, read_fleet
from telemetry.fleet.signals import request_replay


class Command(BaseCommand):
    """Load a fleet; repeatable."""

    help = (
        "Load accounts, gateways and devices from a JSON file. Repeatable: existing entries "
        "are updated; others are not changed. FILE may be - for standard input."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("file", metavar="FILE")
        parser.add_argument(
            "--dry-run", action="store_true", help="check the file and show what would change"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Read, check, load."""
        name = options["file"]
        try:
            text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            raise CommandError(
                f"FILE={name!r} cannot be read: {error.strerror}", returncode=2
            ) from error
        try:
            with transaction.atomic():
                loaded = load_fleet(read_fleet(text))
                if options["dry_run"]:
                    transaction.set_rollback(True)
        except FleetError as error:
            raise CommandError(f"{name}: {error}", returncode=2) from error
        if not options["dry_run"]:
            # Bulk loading sends no signals: replay the dead letters that waited for these gateways.
            request_replay()
            # Or the planner takes a new fleet for a handful of devices until autovacuum comes.
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE account, gateway, device, installation")
        if options["verbosity"]:
            for noun in ("accounts", "gateways", "devices"):
                counts = getattr(loaded, noun)
                shown = ", ".join(f"{count} {what}" for what, count in counts.items())
                self.stdout.write(f"{noun}: {shown}")
            if options["dry_run"]:
                self.stdout.write("dry run: nothing was changed")
