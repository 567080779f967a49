"""Addresses of the page of a device."""

from django.urls import path

from telemetry.web.device.views import device, device_aggregates, device_state

DEVICE = "accounts/<int:account_id>/devices/<int:device_id>/"

urlpatterns = [
    path(DEVICE, device, name="device"),
    path(f"{DEVICE}live/state/", device_state, name="device-state"),
    path(f"{DEVICE}live/aggregates/", device_aggregates, name="device-aggregates"),
]
