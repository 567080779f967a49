"""Addresses of gateways and devices."""

from django.urls import path

from telemetry.web.fleet.devices import devices
from telemetry.web.fleet.gateway import gateway
from telemetry.web.fleet.gateways import gateways

urlpatterns = [
    path("accounts/<int:account_id>/devices/", devices, name="devices"),
    path("accounts/<int:account_id>/gateways/", gateways, name="gateways"),
    path("accounts/<int:account_id>/gateways/<int:gateway_id>/", gateway, name="gateway"),
]
