"""`manage.py restore FILE`: a backup into an empty system."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from redis import Redis, RedisError

from config.env import read_options
from config.options import DatabaseOptions, RedisOptions
from config.queue import connect_redis
from telemetry.backup.archive import BackupError
from telemetry.backup.progress import show_bytes
from telemetry.backup.transfer import load
from telemetry.store.db.connection import open_connection


class Command(BaseCommand):
    """Load a backup, all of it or nothing."""

    help = (
        "Load a backup into an empty database (after manage.py migrate; beat and the pools must "
        "not run yet). The backup's pending batches go to Redis when that is empty; a Redis "
        "in use is not changed, and its pending batches are stored as soon as the pools run."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("file", metavar="FILE", type=Path)

    def handle(self, *_: Any, **options: Any) -> None:
        """Load, and print what was loaded."""
        path: Path = options["file"]
        redis = connect_redis(read_options(RedisOptions), client=Redis)
        try:
            with (
                open_connection(
                    read_options(DatabaseOptions).url, name="tds-restore", statement_timeout_s=600
                ) as connection,
                show_bytes("loading") as progress,
            ):
                loaded = load(path, connection=connection, redis=redis, progress=progress)
        except BackupError as error:
            raise CommandError(str(error), returncode=2) from error
        except psycopg.Error as error:
            raise CommandError(f"DATABASE_URL: nothing was loaded: {_line(error)}") from error
        except RedisError as error:
            raise CommandError(f"REDIS_URL: nothing was loaded: {_line(error)}") from error
        except OSError as error:
            raise CommandError(f"FILE={str(path)!r}: {error.strerror}", returncode=2) from error
        queue = (
            "Redis is in use and was not changed"
            if loaded.kept_queue
            else f"{loaded.batches:,} batches"
        )
        self.stdout.write(
            f"{loaded.rows['reading']:,} readings, {loaded.rows['dead_letter']:,} dead letters; "
            f"queue: {queue}. Start the processes, then: manage.py delivery_report"
        )


def _line(error: Exception) -> str:
    """The text of an error as one line: PostgreSQL's have several."""
    return " ".join(str(error).split())
