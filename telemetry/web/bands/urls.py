"""Addresses of time-of-use bands."""

from django.urls import path

from telemetry.web.bands.periods import delete_holiday, delete_period, periods
from telemetry.web.bands.views import bands, download, printed

BANDS = "accounts/<int:account_id>/bands/"

urlpatterns = [
    path(BANDS, bands, name="bands"),
    path(f"{BANDS}print/", printed, name="bands-print"),
    path(f"{BANDS}bands.csv", download, {"format": "csv"}, name="bands-csv"),
    path(f"{BANDS}bands.xlsx", download, {"format": "xlsx"}, name="bands-xlsx"),
    path(f"{BANDS}periods/", periods, name="band-periods"),
    path(f"{BANDS}periods/<int:period_id>/delete/", delete_period, name="delete-band-period"),
    path(f"{BANDS}holidays/<int:holiday_id>/delete/", delete_holiday, name="delete-holiday"),
]
