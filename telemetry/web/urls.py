"""Addresses of the app."""

from django.urls import path

from telemetry.web.health import health

urlpatterns = [path("health", health, name="health")]
