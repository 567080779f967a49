"""Addresses of changes of the meter."""

from django.urls import path

from telemetry.web.installations.views import meter, undo

METER = "accounts/<int:account_id>/devices/<int:device_id>/meter/"

urlpatterns = [
    path(METER, meter, name="meter"),
    path(f"{METER}<int:installation_id>/undo/", undo, name="meter-undo"),
]
