"""`manage.py backup FILE`: the whole state, while the system runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from redis import RedisError

from config.env import read_options
from config.options import DatabaseOptions, RedisOptions
from config.queue import connect_redis
from telemetry.backup.progress import show_bytes
from telemetry.backup.transfer import save
from telemetry.store.db.connection import open_connection


class Command(BaseCommand):
    """Write every table and the pending batches in Redis to one file."""

    help = (
        "Write the whole state to FILE: every table at one instant, and the pending batches in "
        "Redis. The system keeps running. FILE appears only when it is complete."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("file", metavar="FILE", type=Path)

    def handle(self, *_: Any, **options: Any) -> None:
        """Save, and print what was saved."""
        path: Path = options["file"]
        if path.exists():
            raise CommandError(f"FILE={str(path)!r} exists: expected a new name", returncode=2)
        redis = connect_redis(read_options(RedisOptions))
        try:
            with (
                open_connection(
                    read_options(DatabaseOptions).url, name="tds-backup", statement_timeout_s=600
                ) as connection,
                show_bytes("saving") as progress,
            ):
                saved = save(path, connection=connection, redis=redis, progress=progress)
        except psycopg.Error as error:
            raise CommandError(f"DATABASE_URL: the backup failed: {error}") from error
        except RedisError as error:
            raise CommandError(f"REDIS_URL: the backup failed: {error}") from error
        except OSError as error:
            raise CommandError(f"FILE={str(path)!r}: {error.strerror}", returncode=2) from error
        self.stdout.write(
            f"{path}: {path.stat().st_size / 1e6:,.1f} MB, {saved.rows['reading']:,} readings, "
            f"{saved.rows['dead_letter']:,} dead letters, {saved.batches:,} pending batches"
        )
