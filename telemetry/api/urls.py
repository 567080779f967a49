"""Addresses of the API."""

from django.urls import path

from telemetry.api.service import api

urlpatterns = [path("v1/", api.urls)]
