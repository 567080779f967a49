"""The web process's entry."""

import os

from django.core.wsgi import get_wsgi_application

from config.start import stop_on_errors

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
stop_on_errors(exit_code=3)  # gunicorn's own code for "does not start": it gives up
