"""`manage.py replay_dead_letters`: send dead letters again."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis import RedisError
from rich.progress import Progress

from telemetry.core.reasons import Reason
from telemetry.core.topic import read_mac
from telemetry.dead_letters.replay import replay_dead_letters
from telemetry.models import DeadLetter

LOOK_EVERY_S = 0.5
SAY_EVERY_S = 60.0


def read_instant(text: str) -> datetime:
    """An ISO 8601 instant with an offset. Raises `ArgumentTypeError`."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ArgumentTypeError(
            f"{text!r}: expected an instant with its offset, like 2026-11-30T08:00:00-03:00"
        )
    return instant


def read_gateway(text: str) -> str:
    """A MAC as it is stored. Raises `ArgumentTypeError`."""
    mac = read_mac(text)
    if mac is None:
        raise ArgumentTypeError(
            f"{text!r}: expected a MAC like aa:bb:cc:dd:ee:ff, AA-BB-CC-DD-EE-FF or aabbccddeeff"
        )
    return mac


def read_limit(text: str) -> int:
    """A number of dead letters. Raises `ArgumentTypeError`."""
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise ArgumentTypeError(f"{text!r}: expected a whole number, 1 or more")
    return int(text)


class Command(BaseCommand):
    """Replay pending dead letters."""

    help = "Send pending dead letters again, through the pipeline of live messages."
    _said_s = float("-inf")

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("--reason", choices=[str(reason) for reason in Reason])
        parser.add_argument(
            "--gateway",
            type=read_gateway,
            metavar="MAC",
            help="only of the gateway with this MAC, in any form",
        )
        parser.add_argument("--since", type=read_instant, metavar="ISO", help="last seen since")
        parser.add_argument("--until", type=read_instant, metavar="ISO", help="last seen until")
        parser.add_argument("--limit", type=read_limit, metavar="N", help="send at most N")
        parser.add_argument(
            "--all", action="store_true", help="all of them; needed when no other option selects"
        )
        parser.add_argument("--dry-run", action="store_true", help="count them, send nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        """Choose, count, send."""
        chosen = {
            "reason": options["reason"],
            "mac": options["gateway"],
            "last_seen__gte": options["since"],
            "last_seen__lte": options["until"],
        }
        lookups = {name: value for name, value in chosen.items() if value}
        if not lookups and not options["all"]:
            raise CommandError(
                "nothing is chosen: give --reason, --gateway, --since or --until, or --all",
                returncode=2,
            )
        dead_letters = DeadLetter.objects.filter(state=DeadLetter.State.PENDING, **lookups)
        count = dead_letters.count()
        if options["limit"] is not None:
            count = min(count, options["limit"])
        if options["dry_run"]:
            self.stdout.write(f"{count} dead letters would be sent again")
            return
        try:
            with Progress() as progress:
                task = progress.add_task("Replaying", total=count)
                replay = replay_dead_letters(
                    dead_letters,
                    limit=options["limit"],
                    progress=lambda done: progress.advance(task, done),
                    wait=self._wait,
                )
        except RedisError as error:
            raise CommandError(f"REDIS_URL: Redis fails: {error}") from error
        self.stdout.write(f"{replay.sent} dead letters sent again")

    def _wait(self, hindrance: str) -> bool:
        """Wait until the queue has room. Ctrl-C ends it; what was not sent is still pending."""
        now_s = time.monotonic()
        if now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            self.stderr.write(f"waiting: {hindrance}")
        time.sleep(LOOK_EVERY_S)
        return True
