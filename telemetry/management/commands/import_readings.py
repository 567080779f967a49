"""`manage.py import_readings FILE`: history from a file, through the pipeline of live messages."""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from contextlib import closing
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import msgspec
import psycopg
from django.core.management.base import BaseCommand
from kombu.exceptions import OperationalError as QueueError
from redis import RedisError
from rich.console import Console
from rich.table import Table

from config.celery import app
from config.env import SettingError, read_options
from config.options import IngestOptions
from config.queue import connect_redis
from telemetry.imports.import_file import Course, send_file, validate_file, wait_until_stored
from telemetry.imports.progress import ImportProgress
from telemetry.imports.source import Source, SourceError
from telemetry.imports.summary import (
    ImportSummary,
    as_table,
    as_validation_table,
    list_examples,
    summarise,
    validation_as_json,
)
from telemetry.imports.validate import Checker, TooManyRejectedError
from telemetry.queue.batches import BatchQueue, OvertakenError
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.operations.import_totals import read_import_totals

MAX_REJECTED = 50
EXIT_INTERRUPTED = 130

HELP = """\
Send the readings of FILE through the pipeline, exactly once, even when the command is interrupted
and run again: it then continues where it stopped (within 7 days; later it starts again, and
readings that are already stored are counted as duplicates).

  .csv    a header with gateway_mac, timestamp, device_code, value, unit (or dispositivo_codigo,
          valor, unidade) in any order; other columns are stored with the reading; , or ; between;
          decimal point; one reading a line
  .jsonl  a payload of the message contract on each line
  .csv.gz, .jsonl.gz  the same, compressed

An invalid line becomes a dead letter, like an invalid message. Timestamps more than
MAX_LATENESS_DAYS (400) ago are rejected as timestamp_out_of_range: raise it for the ingest pool and
for this command before you import older history.

Exit codes: 0 every line is accounted for; 1 a server does not answer, too many lines are rejected,
or the totals differ; 2 FILE or an option is wrong; 130 stopped."""


def read_percent(text: str) -> int:
    """A whole number from 0 to 100. Raises `ArgumentTypeError`."""
    if not text.isdecimal() or int(text) > 100:
        raise ArgumentTypeError(f"{text!r}: expected a whole number from 0 to 100 percent")
    return int(text)


class Command(BaseCommand):
    """Import a file and print the result."""

    help = HELP
    requires_system_checks: list[str] = []

    def create_parser(self, *args: Any, **options: Any) -> Any:
        """Keep the line breaks of the help."""
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--dry-run", action="store_true", help="check every line, send and store nothing"
        )
        parser.add_argument(
            "--max-rejected",
            type=read_percent,
            default=MAX_REJECTED,
            metavar="PERCENT",
            help="stop before more of the last 20,000 lines would become dead letters "
            f"(default {MAX_REJECTED}; 100 never stops)",
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="start from the beginning, even when it was imported before",
        )
        parser.add_argument(
            "--no-wait",
            action="store_true",
            help="return when all lines are in the queue, without waiting for the result",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **arguments: Any) -> None:
        """Import, with one line for each error."""
        course = Course()
        try:
            self._import(course, arguments)
        except (SourceError, SettingError) as error:
            self._stop(str(error), code=2)
        except TooManyRejectedError as error:
            self._stop(f"{error}{_say_how_far(course)}", code=1)
        except OvertakenError:
            self._stop(f"FILE={str(arguments['file'])!r}: another process imports it too", code=1)
        except psycopg.Error as error:
            reason = str(error).strip().partition("\n")[0]
            self._stop(f"DATABASE_URL: {reason}{_say_how_far(course)}", code=1)
        except (RedisError, QueueError) as error:
            self._stop(f"REDIS_URL: Redis fails: {error}{_say_how_far(course)}", code=1)
        except KeyboardInterrupt:
            self._stop(f"stopped{_say_how_far(course)}", code=EXIT_INTERRUPTED)

    def _import(self, course: Course, arguments: dict[str, Any]) -> None:
        options = read_options(IngestOptions)
        source = Source(arguments["file"])
        with (
            open_connection(
                options.database.url, name="tds-import", statement_timeout_s=600
            ) as connection,
            closing(connect_redis(options.queue.redis)) as redis,
        ):
            checker = Checker(connection, options, limit=arguments["max_rejected"])
            if arguments["dry_run"]:
                with ImportProgress() as show:
                    validate_file(
                        source,
                        course,
                        checker=checker,
                        topic_prefix=options.topic.prefix,
                        show=show,
                    )
                self._print_validation(course, checker, arguments)
                return
            replicas = options.queue.redis.wait_replicas
            queue = BatchQueue(redis, app, wait_replicas=replicas)
            with ImportProgress() as show:
                send_file(
                    source,
                    course,
                    queue=queue,
                    checker=checker,
                    topic_prefix=options.topic.prefix,
                    is_again=arguments["again"],
                    show=show,
                )
                if not arguments["no_wait"]:
                    wait_until_stored(queue, course, show=show)
            self._report(connection, course, checker, arguments)

    def _print_validation(
        self, course: Course, checker: Checker, arguments: dict[str, Any]
    ) -> None:
        name, findings = arguments["file"].name, checker.findings
        if arguments["json"]:
            self.stdout.write(
                msgspec.json.encode(validation_as_json(name, course, findings)).decode()
            )
        else:
            self._print(
                as_validation_table(name, course, findings), list_examples(findings.examples)
            )
        checker.require_mostly_good()

    def _report(
        self, connection: Connection, course: Course, checker: Checker, arguments: dict[str, Any]
    ) -> None:
        if arguments["no_wait"]:
            sent, before = course.lines - course.skipped, course.skipped
            self.stdout.write(
                msgspec.json.encode(course).decode()
                if arguments["json"]
                else f"{sent:,} lines were sent now, {before:,} before; the same command without "
                "--no-wait shows the result"
            )
            return
        summary = summarise(
            arguments["file"].name, course, read_import_totals(connection, course.prefix)
        )
        if arguments["json"]:
            self.stdout.write(msgspec.json.encode(summary).decode())
        else:
            remarks = list_examples(checker.findings.examples)
            self._print(as_table(summary), remarks + _list_remarks(summary, checker))
        if summary.difference:
            raise SystemExit(1)

    def _print(self, table: Table, remarks: list[str]) -> None:
        self.stdout.ending = ""  # rich ends its lines itself
        console = Console(file=cast(IO[str], self.stdout))
        console.print(table)
        for remark in remarks:
            console.print(remark, markup=False, highlight=False, soft_wrap=True)

    def _stop(self, text: str, *, code: int) -> NoReturn:
        self.stderr.write(f"error: {text}")
        raise SystemExit(code)


def _say_how_far(course: Course) -> str:
    """The end of an error's line: what was sent, and how to continue."""
    if not course.lines:
        return "; no line was sent now"
    return f"; {course.lines:,} lines are in the queue: the same command continues from there"


def _list_remarks(summary: ImportSummary, checker: Checker) -> list[str]:
    remarks = []
    if summary.sent_before == summary.lines:
        remarks.append("the whole file was sent before: nothing was sent now; --again sends it")
    elif summary.sent_before:
        remarks.append(f"continued after {summary.sent_before:,} lines that were sent before")
    if summary.dead_letters_by_reason.get("timestamp_out_of_range"):
        days = checker.behind_days
        remarks.append(
            f"timestamp_out_of_range: more than MAX_LATENESS_DAYS={days} days ago, or ahead; when "
            "it is raised: manage.py replay_dead_letters --reason timestamp_out_of_range"
        )
    return remarks
