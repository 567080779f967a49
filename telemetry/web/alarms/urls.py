"""Addresses of alarms."""

from django.urls import path

from telemetry.web.alarms.acknowledging import acknowledge, withdraw
from telemetry.web.alarms.listing import alarms

urlpatterns = [
    path("accounts/<int:account_id>/alarms/", alarms, name="alarms"),
    path(
        "accounts/<int:account_id>/alarms/<int:alarm_id>/acknowledge/",
        acknowledge,
        name="alarm-acknowledge",
    ),
    path(
        "accounts/<int:account_id>/alarms/<int:alarm_id>/withdraw/",
        withdraw,
        name="alarm-withdraw",
    ),
]
