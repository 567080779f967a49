"""Addresses of virtual meters."""

from django.urls import path

from telemetry.web.virtual_meters.views import download, virtual_meters

VIRTUAL_METERS = "accounts/<int:account_id>/virtual-meters/"

urlpatterns = [
    path(VIRTUAL_METERS, virtual_meters, name="virtual-meters"),
    path(f"{VIRTUAL_METERS}months.csv", download, name="virtual-meters-csv"),
]
