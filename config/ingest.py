"""The Celery app of the pool "ingest": `celery -A config.ingest worker ...`.

Without Django: this pool speaks SQL, so it starts in half of the time and its processes stay small.
"""

import sys

from config.env import SettingError, read_options
from config.options import IngestOptions, LogOptions
from config.queue import build_celery_app, log_as_configured

try:
    app = build_celery_app(
        read_options(IngestOptions).queue, imports=("workers.ingest",), fixups=[]
    )
    log_as_configured(read_options(LogOptions))
except SettingError as error:
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2) from error
app.set_current()
app.set_default()
