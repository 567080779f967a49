"""Addresses of statements."""

from django.urls import path

from telemetry.web.statements.views import download, printed, statement

STATEMENT = "accounts/<int:account_id>/statements/"

urlpatterns = [
    path(STATEMENT, statement, name="statement"),
    path(f"{STATEMENT}print/", printed, name="statement-print"),
    path(f"{STATEMENT}statement.csv", download, {"format": "csv"}, name="statement-csv"),
    path(f"{STATEMENT}statement.xlsx", download, {"format": "xlsx"}, name="statement-xlsx"),
]
