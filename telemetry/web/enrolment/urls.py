"""Addresses of the enrolment process, as RFC 7030 has them."""

from django.urls import path

from telemetry.web.enrolment import views

WELL_KNOWN = ".well-known/est"

urlpatterns = [
    path(f"{WELL_KNOWN}/cacerts", views.show_ca_certificates, name="est_ca_certificates"),
    path(f"{WELL_KNOWN}/simpleenroll", views.enrol_simply, name="est_enrol"),
    path(f"{WELL_KNOWN}/simplereenroll", views.renew_simply, name="est_renew"),
]
