"""`manage.py delivery_report`: where every message went."""

from argparse import ArgumentParser
from typing import Any, NoReturn

import msgspec
import psycopg
from django.core.management.base import BaseCommand
from redis import RedisError
from rich.console import Console
from rich.table import Table

from config.env import read_options
from config.options import DatabaseOptions, RedisOptions
from config.queue import connect_redis
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import open_connection
from telemetry.store.operations.delivery_report import DeliveryReport, read_report

DIFFERS = 1
FAILED = 2


class Command(BaseCommand):
    """Print the totals; exit code 1 when they do not balance."""

    help = (
        "Show received = stored + duplicate + dead-lettered + in flight, and the difference, "
        "which is 0. Exit code 1 when it is not; 2 when a server does not answer or an option is "
        "wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--count-rows",
            action="store_true",
            help="also count the rows of the hypertable and compare them with the ledger (slow)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Read the totals and print them."""
        try:
            queue = BatchQueue(connect_redis(read_options(RedisOptions)))
            with open_connection(
                read_options(DatabaseOptions).url, name="tds-report", statement_timeout_s=600
            ) as connection:
                report = read_report(connection, queue, count_rows=options["count_rows"])
        except RedisError as error:
            self._stop(f"REDIS_URL: Redis does not answer: {error}")
        except psycopg.Error as error:
            self._stop(f"DATABASE_URL: the database does not answer: {error}")
        if options["json"]:
            self.stdout.write(msgspec.json.encode(report).decode())
        else:
            Console(file=self.stdout).print(_as_table(report))  # type: ignore[arg-type]
        if not report.is_balanced:
            raise SystemExit(DIFFERS)

    def _stop(self, text: str) -> NoReturn:
        self.stderr.write(f"error: {text.strip().partition(chr(10))[0]}")
        raise SystemExit(FAILED)


def _as_table(report: DeliveryReport) -> Table:
    table = Table(title="Delivery report", title_justify="left")
    table.add_column("")
    table.add_column("messages", justify="right")
    table.add_column("readings", justify="right")
    readings = report.readings
    table.add_row("received", f"{report.received:,}", f"{readings.found:,}")
    table.add_row("stored", f"{report.stored:,}", f"{readings.stored:,}")
    table.add_row("duplicate", f"{report.duplicate:,}", f"{readings.duplicate:,}")
    table.add_row("dead-lettered", f"{report.dead_lettered:,}", f"{readings.rejected:,}")
    table.add_row("in flight", f"{report.in_flight:,}", "")
    table.add_row("difference", f"{report.difference:,}", "")
    _add_broker(table, report)
    table.add_row("dead letters", "", f"{report.dead_letters:,}")
    for reason, count in report.dead_letters_by_reason.items():
        table.add_row(f"  {reason}", "", f"{count:,}")
    table.add_row("difference", "", f"{report.dead_letters_difference:,}")
    table.add_row("voided by edits", "", f"{report.voided:,}")
    table.add_row("substituted by edits", "", f"{report.substituted:,}")
    if report.rows is not None:
        table.add_row("rows in the hypertable, dropped, voided", "", f"{report.rows:,}")
        table.add_row("difference", "", f"{report.rows_difference:,}")
    return table


def _add_broker(table: Table, report: DeliveryReport) -> None:
    """What never reached a bridge, in red."""

    def add(name: str, count: int, *, is_loss: bool = True) -> None:
        table.add_row(name, f"{count:,}", "", style="red" if count and is_loss else None)

    add("dropped by the broker", report.broker_dropped)
    add("bridges' sessions lost by the broker", report.broker_lost_sessions)
    for name, count in report.broker_denials.items():
        add(name.replace("_", " "), count, is_loss=name.startswith("denied"))
    table.add_section()
