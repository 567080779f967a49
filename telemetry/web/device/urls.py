"""Addresses of the page of a device."""

from django.urls import path

from telemetry.web.device.views import device, device_chart, device_state

DEVICE = "accounts/<int:account_id>/devices/<int:device_id>/"

urlpatterns = [
    path(DEVICE, device, name="device"),
    path(f"{DEVICE}live/state/", device_state, name="device-state"),
    path(f"{DEVICE}live/chart/", device_chart, name="device-chart"),
]
