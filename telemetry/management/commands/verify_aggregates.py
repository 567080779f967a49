"""`manage.py verify_aggregates`: compare aggregates with the raw readings."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, NoReturn

import msgspec
import psycopg
from django.core.management.base import BaseCommand
from django.db import DatabaseError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from config.env import read_options
from config.options import DatabaseOptions
from telemetry.core.batch import VERIFY_TASK
from telemetry.models import Account, TaskRun
from telemetry.store.aggregates.refresh import RefreshBusyError
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.verification.diff import describe_difference
from telemetry.store.verification.repair import repair_aggregates
from telemetry.store.verification.verify import (
    EXAMPLES,
    Scope,
    Verification,
    VerifyBusyError,
    verify_aggregates,
)

LONGEST_STATEMENT_S = 7_200
DIFFERS = 1
FAILED = 2
BUSY = 3


def read_date(text: str) -> date:
    """A date. Raises `ArgumentTypeError`."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r}: expected a date like 2026-11-30") from error


class Command(BaseCommand):
    """Print what differs; the exit code says whether something does."""

    help = (
        "Compute hours, local days and billing months again from raw readings, another way, and "
        "list every row that is missing, surplus or different, and closed months that do not "
        "add up. Rows that wait for the refresh are not differences. Exit code 1 when there is a "
        "difference, or one that --repair did not repair; 2 when the database does not answer or "
        "an option is wrong; 3 when another verification, or a refresh or drop, is under way: "
        "nothing was verified, try again later."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument(
            "--since",
            type=read_date,
            metavar="DATE",
            help="first UTC day; its billing months are verified whole",
        )
        parser.add_argument("--until", type=read_date, metavar="DATE", help="last UTC day")
        parser.add_argument("--account", metavar="NAME", help="only the devices of this account")
        parser.add_argument(
            "--repair", action="store_true", help="compute again what differs, then verify again"
        )
        parser.add_argument(
            "--show", type=int, default=EXAMPLES, metavar="N", help="differences printed in full"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        """Verify, or repair, and print."""
        try:
            scope = Scope(
                options["since"], options["until"], self._find_account(options["account"])
            )
            with (
                open_connection(
                    read_options(DatabaseOptions).url,
                    name="tds-verify",
                    statement_timeout_s=LONGEST_STATEMENT_S,
                ) as connection,
                _show_progress() as progress,
            ):
                result = self._verify(connection, scope, options, progress)
            if scope.is_all:  # then pipeline_status goes by it
                TaskRun.objects.update_or_create(
                    name=VERIFY_TASK,
                    defaults={"success_at": timezone.now(), "result": msgspec.to_builtins(result)},
                )
        except VerifyBusyError:
            self._stop("another verification is under way: try again later", code=BUSY)
        except RefreshBusyError:
            self._stop("a refresh or drop is under way: try again later", code=BUSY)
        except (psycopg.Error, DatabaseError) as error:
            reason = str(error).strip().partition("\n")[0]
            self._stop(f"DATABASE_URL: {reason}", code=FAILED)
        if result.differences:
            raise SystemExit(DIFFERS)

    def _verify(
        self,
        connection: Connection,
        scope: Scope,
        options: dict[str, Any],
        progress: Callable[[int, int, str], None],
    ) -> Verification:
        if not options["repair"]:
            result = verify_aggregates(
                connection, scope=scope, examples=options["show"], progress=progress
            )
            self._print(result, result, options)
            return result
        done = repair_aggregates(
            connection, scope=scope, examples=options["show"], progress=progress
        )
        self._print(done.before if not options["json"] else done, done.before, options)
        if not options["json"] and done.before.differences:
            self.stdout.write(
                f"repaired: {done.refreshed.hours:,} hours, {done.refreshed.days:,} days, "
                f"{done.refreshed.months:,} months computed again, {done.refreshed.adjusted:,} "
                "adjustments of closed months; verified again:"
            )
            self._print_result(done.after)
        return done.after

    def _print(self, answer: Any, result: Verification, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(msgspec.json.encode(answer).decode())
        else:
            self._print_result(result)

    def _print_result(self, result: Verification) -> None:
        for difference in result.examples:
            self.stdout.write(describe_difference(difference))
        if result.differences > len(result.examples):
            self.stdout.write(f"and {result.differences - len(result.examples):,} more")
        relations = ", ".join(f"{name} {count:,}" for name, count in result.by_relation.items())
        self.stdout.write(
            f"{result.hours:,} hours, {result.days:,} days, {result.months:,} months of devices "
            f"computed from readings: {result.differences:,} differences"
            + (f" ({relations})" if relations else "")
        )
        for count, text in (
            (result.waiting, "rows wait for the refresh"),
            (result.frozen, "rows depend on frozen hours"),
            (result.skipped_hours, "hours before the raw horizon were skipped"),
            (
                result.frozen_hours,
                "frozen hours have late readings that no aggregate contains",
            ),
        ):
            if count:
                self.stdout.write(f"note: {count:,} {text}")
        for hour in result.frozen_examples:
            self.stdout.write(f"note: frozen: {hour}")

    def _find_account(self, name: str | None) -> int | None:
        if name is None:
            return None
        account = Account.objects.filter(name=name).first()
        if account is None:
            self._stop(f"--account {name!r}: there is no account with that name", code=FAILED)
        return account.pk

    def _stop(self, text: str, *, code: int) -> NoReturn:
        self.stderr.write(f"error: {text}")
        raise SystemExit(code)


@contextmanager
def _show_progress() -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bars:
        bar = bars.add_task("verify", total=None)
        yield lambda done, total, name: bars.update(
            bar, completed=done, total=total, description=f"verify {name}".strip()
        )
