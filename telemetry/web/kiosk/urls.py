"""Addresses of screens and of their links."""

from django.urls import path

from telemetry.web.kiosk import links, views

SCREENS = "accounts/<int:account_id>/screens/"

urlpatterns = [
    path("kiosk/<str:secret>/", views.kiosk, name="kiosk"),
    path("kiosk/<str:secret>/live/", views.kiosk_live, name="kiosk-live"),
    path(SCREENS, links.screens, name="screens"),
    path(f"{SCREENS}<int:link_id>/revoke/", links.revoke, name="revoke-screen"),
]
