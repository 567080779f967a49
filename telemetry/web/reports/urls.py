"""Addresses of reports."""

from django.urls import path

from telemetry.web.reports import schedules, views

_REPORTS = "accounts/<int:account_id>/reports/"

urlpatterns = [
    path(_REPORTS, views.reports, name="reports"),
    path(f"{_REPORTS}print/", views.printed, name="report-print"),
    path(f"{_REPORTS}consumption.csv", views.download, {"format": "csv"}, name="report-csv"),
    path(f"{_REPORTS}consumption.xlsx", views.download, {"format": "xlsx"}, name="report-xlsx"),
    path(f"{_REPORTS}schedules/", schedules.schedules, name="report-schedules"),
    path(
        f"{_REPORTS}schedules/<int:schedule_id>/switch/",
        schedules.switch_schedule,
        name="switch-schedule",
    ),
    path(
        f"{_REPORTS}schedules/<int:schedule_id>/delete/",
        schedules.delete_schedule,
        name="delete-schedule",
    ),
    path(f"{_REPORTS}schedules/<int:schedule_id>/send/", schedules.send_now, name="send-report"),
]
