"""Addresses of edits."""

from django.urls import path

from telemetry.web.edits.actions import approve, reject, take, undo
from telemetry.web.edits.readings import device_readings, edits

ACCOUNT = "accounts/<int:account_id>/"
EDIT = f"{ACCOUNT}edits/<int:edit_id>/"

urlpatterns = [
    path(f"{ACCOUNT}devices/<int:device_id>/readings/", device_readings, name="device-readings"),
    path(f"{ACCOUNT}edits/", edits, name="edits"),
    path(f"{EDIT}undo/", undo, name="edit-undo"),
    path(f"{EDIT}approve/", approve, name="edit-approve"),
    path(f"{EDIT}reject/", reject, name="edit-reject"),
    path(f"{ACCOUNT}dead-letters/<int:dead_letter_id>/take/", take, name="dead-letter-take"),
]
