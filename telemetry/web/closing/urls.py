"""Addresses of billing months."""

from django.urls import path

from telemetry.web.closing.views import close, month, months

MONTHS = "accounts/<int:account_id>/months/"

urlpatterns = [
    path(MONTHS, months, name="months"),
    path(f"{MONTHS}<str:month>/", month, name="month"),
    path(f"{MONTHS}<str:month>/close/", close, name="close-month"),
]
