"""Django's settings of the enrolment process: three addresses, no sessions, no pages."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "telemetry.web.enrolment.urls"
MIDDLEWARE = []
# Clients are known by their certificates; no response depends on the name that they call.
ALLOWED_HOSTS = ["*"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536
