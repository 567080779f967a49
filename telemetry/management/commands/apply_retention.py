"""`manage.py apply_retention`: drop and compress what is due."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from config.env import read_options
from config.options import DatabaseOptions, RetentionOptions
from telemetry.store.aggregates.refresh import RefreshBusyError
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.retention.apply import RetentionRuleError, apply_retention, plan_retention

LONGEST_STEP_S = 7_200  # a large chunk takes long to compress


class Command(BaseCommand):
    """What beat does every night, to the end of the list."""

    help = (
        "Drop readings and aggregates that are older than RAW_RETENTION_DAYS and "
        "AGGREGATE_RETENTION_DAYS, and compress what is older than COMPRESS_AFTER_DAYS."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument(
            "--dry-run", action="store_true", help="show what is due, change nothing"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Plan or do."""
        retention, now = read_options(RetentionOptions), datetime.now(UTC)
        try:
            with open_connection(
                read_options(DatabaseOptions).url,
                name="tds-retention",
                statement_timeout_s=LONGEST_STEP_S,
            ) as connection:
                if options["dry_run"]:
                    self._print_plan(connection, retention, now)
                else:
                    self._apply(connection, retention, now)
        except RefreshBusyError as error:
            raise CommandError("another refresh or drop is under way: try again later") from error
        except RetentionRuleError as error:
            raise CommandError(str(error)) from error
        except psycopg.OperationalError as error:
            raise CommandError(f"DATABASE_URL: {str(error).strip()}") from error

    def _print_plan(
        self, connection: Connection, retention: RetentionOptions, now: datetime
    ) -> None:
        plan = plan_retention(connection, options=retention, now=now)
        self.stdout.write(f"edition: {plan.edition}")
        for chunk in plan.raw:
            self.stdout.write(f"would drop readings of {chunk.start:%Y-%m-%d} ({chunk.name})")
        if plan.aggregates_before is not None:
            self.stdout.write(
                f"would drop hours and days before {plan.aggregates_before:%Y-%m-%d %H:%M} UTC"
            )
        for chunk in plan.compress:
            self.stdout.write(f"would compress {chunk.name} of {chunk.start:%Y-%m-%d}")
        self._print_reasons(plan.waits, plan.unavailable)
        if not (plan.raw or plan.aggregates_before or plan.compress):
            self.stdout.write("nothing is due")

    def _apply(self, connection: Connection, retention: RetentionOptions, now: datetime) -> None:
        done = apply_retention(connection, options=retention, now=now, progress=self.stdout.write)
        self.stdout.write(
            f"dropped {done.chunks} chunks with {done.readings} readings and {done.aggregates} "
            f"aggregates, compressed {done.compressed} chunks"
        )
        self._print_reasons(done.waits, done.unavailable)

    def _print_reasons(self, *reasons: str) -> None:
        for reason in filter(None, reasons):
            self.stdout.write(reason)
