"""`manage.py resume_ingest`: overrule the reject guard."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis import RedisError

from config.env import read_options
from config.options import RedisOptions
from config.queue import connect_redis
from telemetry.queue.alarm import overrule, read_alarm


class Command(BaseCommand):
    """Let the ingest pool continue although it rejects nearly everything."""

    help = (
        "Let the ingest pool store the batches that the reject guard holds. Rejected messages "
        "become dead letters, which can be replayed. Use it when the rejections are correct."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument(
            "--minutes", type=int, default=60, metavar="N", help="for how long (default 60)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print what was held, and release it."""
        if options["minutes"] < 1:
            raise CommandError(f"--minutes {options['minutes']}: expected 1 or more", returncode=2)
        redis = connect_redis(read_options(RedisOptions))
        try:
            reason = read_alarm(redis)
            overrule(redis, for_s=60 * options["minutes"])
        except RedisError as error:
            raise CommandError(f"REDIS_URL: Redis does not answer: {error}") from error
        self.stdout.write(f"held until now: {reason}" if reason else "nothing was held")
        self.stdout.write(f"the guard lets everything pass for {options['minutes']} minutes")
