"""`manage.py load_demo_history`: gives the demo fleet a past, once."""

import signal
import sys
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from telemetry.demo.load import load_history
from telemetry.simulator.simulated_fleet import SimulatorError


class Command(BaseCommand):
    """Load it and say how far it is."""

    help = (
        "Give the demo fleet thirteen months of readings: simulated, imported as files are, with a "
        "replaced meter, a silent week, a late gateway, and months that are closed and corrected. "
        "Repeatable; a fleet registered more than three days ago gets none. The ingest pool must "
        "run."
    )
    requires_system_checks: list[str] = []

    def handle(self, *_: Any, **__: Any) -> None:
        """Exit code 1 when a server does not answer; then run it again."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # its temporary file goes with it
        try:
            load_history(now=timezone.now(), say=self.stdout.write)
        except SimulatorError as error:
            raise CommandError(str(error), returncode=2) from error
        except (DatabaseError, psycopg.Error) as error:
            raise CommandError(f"DATABASE_URL: {error}") from error
