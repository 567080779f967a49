"""Addresses of time-of-use bands."""

from django.urls import path

from telemetry.web.bands.views import bands, download

BANDS = "accounts/<int:account_id>/bands/"

urlpatterns = [
    path(BANDS, bands, name="bands"),
    path(f"{BANDS}bands.csv", download, name="bands-csv"),
]
