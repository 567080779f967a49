"""The web process's entry."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config.start import stop_on_errors

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
stop_on_errors(exit_code=3)  # gunicorn's own code for "does not start": it gives up

# All code that pages need is loaded now and lives as long as the process. Collecting garbage among
# it stopped every thread for a tenth of a second, again and again.
get_resolver().url_patterns  # noqa: B018
gc.collect()
gc.freeze()
