"""Addresses of members and invitations."""

from django.urls import path

from telemetry.web.members import joining, views

_ACCOUNT = "accounts/<int:account_id>/members/"

urlpatterns = [
    path("invitations/<str:token>/", joining.join, name="invitation"),
    path(_ACCOUNT, views.members, name="members"),
    path(f"{_ACCOUNT}invite/", views.invite_member, name="invite-member"),
    path(
        f"{_ACCOUNT}invitations/<int:invitation_id>/revoke/",
        views.revoke_invitation,
        name="revoke-invitation",
    ),
    path(f"{_ACCOUNT}<int:membership_id>/role/", views.change_member, name="change-member"),
    path(f"{_ACCOUNT}<int:membership_id>/remove/", views.remove_member, name="remove-member"),
]
