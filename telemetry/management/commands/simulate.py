"""`manage.py simulate`: a fleet that publishes over real MQTT, and knows the expected results."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

import psycopg
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connections
from redis import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from config.env import SettingError, list_settings, read_options
from config.options import ContractOptions, SimulatorOptions
from telemetry.simulator.options import RunOptions
from telemetry.simulator.publisher import Publisher
from telemetry.simulator.receipts import RunReceipts
from telemetry.simulator.registration import find_demo_fleet, register_fleet
from telemetry.simulator.simulate import count_earlier_rows, make_plan, publish_plan, verify_plan
from telemetry.simulator.simulated_fleet import SimulatedFleet, SimulatorError
from telemetry.simulator.summary import Summary, as_table, list_remarks

REPORT_EVERY_S = 60.0
REDRAW_EVERY_S = 0.1
EXIT_INTERRUPTED = 130


class Command(BaseCommand):
    """Publish, count the acknowledgements, and print the expected results."""

    help = (
        "Publish telemetry of a simulated fleet over MQTT (QoS 1). The summary shows the expected "
        "results; --verify waits and compares with the database. Exit code 1: "
        "something was not acknowledged or differs; 2: wrong options; 130: stopped with messages "
        "still unacknowledged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        for described, _, default in list_settings(RunOptions):
            shown = "" if default == -1 else f" (default {default})"
            parser.add_argument(
                described.name,
                dest=described.name,
                metavar=described.name.strip("-").upper()[:1],
                help=f"{described.help}{shown}",
            )
        parser.add_argument("--verify", action="store_true", help="compare with the database")
        parser.add_argument("--json", metavar="FILE", help="write the summary there as JSON")
        parser.add_argument(
            "--log-acked",
            metavar="FILE",
            help="write topic and SHA-256 of each acknowledged message there",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run and report."""
        try:
            summary = self._simulate(options)
        except (SettingError, SimulatorError) as error:
            self._stop(str(error), code=2)
        except (DatabaseError, psycopg.Error) as error:
            self._stop(f"DATABASE_URL: the database does not answer: {error}", code=1)
        except RedisError as error:
            self._stop(f"REDIS_URL: Redis does not answer: {error}", code=1)
        except OSError as error:
            self._stop(f"{error}: expected a file that can be written", code=2)
        if summary.fault:
            self._stop(summary.fault, code=1)
        if summary.verified is not None and summary.verified.differences:
            raise SystemExit(1)
        if not summary.is_whole:
            raise SystemExit(EXIT_INTERRUPTED if summary.is_interrupted else 1)

    def _simulate(self, arguments: dict[str, Any]) -> Summary:
        options = _read_run_options(arguments)
        broker = read_options(SimulatorOptions)
        fleet = _find_fleet(options)
        plan = make_plan(
            options,
            fleet=fleet,
            prefix=broker.topic.prefix,
            contract=read_options(ContractOptions),
        )
        self.stdout.ending = ""  # rich ends its lines itself
        earlier_rows = count_earlier_rows(plan) if arguments["verify"] else {}
        console = Console(file=cast(IO[str], self.stdout))
        with (
            _open_for_writing(arguments["log_acked"]) as acked_log,
            _open_for_writing(arguments["json"]) as report,
        ):
            with _show(console, options) as show:
                summary = publish_plan(
                    plan, options=options, broker=broker, acked_log=acked_log, on_step=show
                )
            if arguments["verify"]:
                console.print("waiting for the pipeline ...")
                verified = verify_plan(
                    plan, summary, earlier_rows=earlier_rows, timeout_s=options.timeout_s
                )
                summary = replace(summary, verified=verified)
            if report is not None:
                json.dump(summary.as_json(), report, indent=2)
                report.write("\n")
        _print(console, summary)
        return summary

    def _stop(self, text: str, *, code: int) -> None:
        self.stderr.write(f"error: {text}")
        raise SystemExit(code)


def _read_run_options(arguments: dict[str, Any]) -> RunOptions:
    texts = {
        described.name: arguments[described.name]
        for described, _, _ in list_settings(RunOptions)
        if arguments.get(described.name) is not None
    }
    if "--rate" in texts and "--interval" in texts:
        raise SettingError(
            f"--interval {texts['--interval']}: expected without --rate; give one of the two"
        )
    return read_options(RunOptions, {}, given=texts)


def _find_fleet(options: RunOptions) -> SimulatedFleet:
    try:
        if options.fleet == "demo":
            return find_demo_fleet()
        return register_fleet(
            gateways_count=options.gateways, devices_count=options.readings_per_message
        )
    finally:
        connections.close_all()  # a run may take days


def _open_for_writing(path: str | None) -> AbstractContextManager[IO[str] | None]:
    return Path(path).open("w", encoding="utf-8") if path else nullcontext()


@contextmanager
def _show(
    console: Console, options: RunOptions
) -> Iterator[Callable[[Publisher, RunReceipts], None]]:
    """A progress bar on a terminal, a line a minute elsewhere."""
    every_s = REDRAW_EVERY_S if console.is_terminal else REPORT_EVERY_S
    next_at_s = time.monotonic() + every_s
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("acknowledged", total=options.count or None, rate="")

        def show(publisher: Publisher, receipts: RunReceipts) -> None:
            nonlocal next_at_s
            now_s = time.monotonic()
            if now_s < next_at_s:
                return
            next_at_s = now_s + every_s
            if console.is_terminal:
                rate = receipts.acknowledged / publisher.elapsed_s if publisher.elapsed_s else 0
                progress.update(task, completed=receipts.answered, rate=f"{rate:,.0f}/s")
            else:
                console.print(
                    f"published {publisher.published:,}, acknowledged {receipts.acknowledged:,}"
                )

        yield show


def _print(console: Console, summary: Summary) -> None:
    console.print(as_table(summary))
    for remark in list_remarks(summary):
        console.print(remark)
    if summary.verified is None:
        return
    for difference in summary.verified.differences:
        console.print(f"DIFFERENT: {difference}")
    if not summary.verified.differences:
        rows = sum(summary.verified.findings.rows_by_device.values())
        dead_letters = sum(summary.verified.findings.dead_letters.values())
        console.print(f"verified: {rows:,} rows and {dead_letters:,} dead letters, as expected")
