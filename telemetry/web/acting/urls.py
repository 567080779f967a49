"""Addresses of what members change and say."""

from django.urls import path

from telemetry.web.acting import views

ACCOUNT = "accounts/<int:account_id>/"
DEVICE = f"{ACCOUNT}devices/<int:device_id>/"

urlpatterns = [
    path(f"{DEVICE}edit/", views.edit_device, name="edit-device"),
    path(f"{DEVICE}notes/", views.add_note, name="add-note"),
    path(f"{DEVICE}notes/<int:note_id>/delete/", views.delete_note, name="delete-note"),
    path(f"{DEVICE}report/", views.report, name="report-reading"),
    path(f"{ACCOUNT}gateways/<int:gateway_id>/edit/", views.edit_gateway, name="edit-gateway"),
]
