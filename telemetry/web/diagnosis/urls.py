"""Addresses of "Why no data?"."""

from django.urls import path

from telemetry.web.diagnosis.views import why_device, why_gateway

ACCOUNT = "accounts/<int:account_id>/"

urlpatterns = [
    path(f"{ACCOUNT}gateways/<int:gateway_id>/why/", why_gateway, name="why-gateway"),
    path(f"{ACCOUNT}devices/<int:device_id>/why/", why_device, name="why-device"),
]
