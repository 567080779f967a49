"""The Celery app of the pool "ingest": `celery -A config.ingest worker ...`.

Without Django: this pool speaks SQL, so it starts in half of the time and its processes stay small.
"""

from config.env import read_or_exit
from config.options import IngestOptions, LogOptions
from config.queue import build_celery_app, log_as_configured

options = read_or_exit(IngestOptions).queue
app = build_celery_app(options, imports=("workers.ingest",), fixups=[])
log_as_configured(read_or_exit(LogOptions))
app.set_current()
app.set_default()
