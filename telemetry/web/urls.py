"""Addresses of the app."""

from django.urls import include, path

from telemetry.web.health import health, pipeline_health

urlpatterns = [
    path("health", health, name="health"),
    path("health/pipeline", pipeline_health, name="pipeline-health"),
    path("", include("telemetry.web.overview.urls")),
]
