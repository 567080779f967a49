"""The Celery app of workers, beat and Flower: `celery -A config ...`."""

import os
import sys

from celery.signals import setup_logging

from config.env import SettingError, read_options
from config.logs import configure_logging
from config.options import LogOptions, QueueOptions
from config.queue import build_celery_app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    app = build_celery_app(read_options(QueueOptions))
    _log_options = read_options(LogOptions)
except SettingError as error:
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2) from error
app.set_current()
app.set_default()


@setup_logging.connect
def _configure_logging(**_: object) -> None:
    configure_logging(_log_options)
