"""Addresses of findings."""

from django.urls import path

from telemetry.web.findings.listing import decide, findings

FINDINGS = "accounts/<int:account_id>/findings/"

urlpatterns = [
    path(FINDINGS, findings, name="findings"),
    path(f"{FINDINGS}<int:finding_id>/decide/", decide, name="decide-finding"),
]
