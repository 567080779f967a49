"""The enrolment process's entry."""

import os

from django.core.wsgi import get_wsgi_application

from config.start import stop_on_errors

os.environ["DJANGO_SETTINGS_MODULE"] = "config.enrolment_settings"

application = get_wsgi_application()
stop_on_errors(exit_code=3)
