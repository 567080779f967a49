"""Addresses of the app."""

from django.urls import URLPattern, URLResolver, include, path

from telemetry.web.health import alive, pending_health, pipeline_health, ready
from telemetry.web.home import accounts, home
from telemetry.web.language import choose_language
from telemetry.web.profile.views import confirm_address, profile
from telemetry.web.second_factor.views import second_factor
from telemetry.web.sessions.views import sessions

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("accounts/", accounts, name="accounts"),
    path("language/", choose_language, name="set_language"),
    path("healthz", alive, name="alive"),
    path("readyz", ready, name="ready"),
    path("health", ready, name="health"),
    path("health/pending", pending_health, name="pending-health"),
    path("health/pipeline", pipeline_health, name="pipeline-health"),
    path("profile/", profile, name="profile"),
    path("profile/address/<str:token>/", confirm_address, name="confirm-address"),
    path("sessions/", sessions, name="sessions"),
    path("second-factor/", second_factor, name="second-factor"),
    path("", include("telemetry.web.overview.urls")),  # open pages ask for these again and again
    path("", include("telemetry.web.device.urls")),
    path("", include("telemetry.web.signin.urls")),
    path("", include("telemetry.web.fleet.urls")),
    path("", include("telemetry.web.alarms.urls")),
    path("", include("telemetry.web.members.urls")),
    path("", include("telemetry.web.kiosk.urls")),
    path("", include("telemetry.web.tokens.urls")),
    path("", include("telemetry.web.reports.urls")),
    path("", include("telemetry.web.diagnosis.urls")),
    path("", include("telemetry.web.acting.urls")),
    path("", include("telemetry.web.edits.urls")),
    path("", include("telemetry.web.installations.urls")),
    path("", include("telemetry.web.closing.urls")),
    path("", include("telemetry.web.findings.urls")),
    path("", include("telemetry.web.bands.urls")),
    path("", include("telemetry.web.statements.urls")),
    path("", include("telemetry.web.virtual_meters.urls")),
]
