"""Addresses of tokens."""

from django.urls import path

from telemetry.web.tokens import views

urlpatterns = [
    path("profile/tokens/", views.tokens, name="tokens"),
    path("profile/tokens/<int:token_id>/revoke/", views.revoke, name="revoke-token"),
]
