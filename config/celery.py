"""The Celery app of the maintenance pool, beat and Flower: `celery -A config ...`."""

import os

from config.env import read_or_exit
from config.options import LogOptions, QueueOptions
from config.queue import build_celery_app, log_as_configured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = build_celery_app(read_or_exit(QueueOptions))
log_as_configured(read_or_exit(LogOptions))
app.set_current()
app.set_default()
