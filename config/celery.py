"""The Celery app of the maintenance pool, beat and Flower: `celery -A config ...`."""

import os
import sys

from config.env import SettingError, read_options
from config.options import LogOptions, QueueOptions
from config.queue import build_celery_app, log_as_configured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    app = build_celery_app(read_options(QueueOptions))
    log_as_configured(read_options(LogOptions))
except SettingError as error:
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2) from error
app.set_current()
app.set_default()
