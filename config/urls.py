"""Addresses of the web process."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

urlpatterns: list[URLPattern | URLResolver] = [
    # The admin's own form for this has no limit on guesses.
    path(
        "admin/password_change/",
        RedirectView.as_view(pattern_name="password_change"),
        name="admin-password",
    ),
    path("admin/", admin.site.urls),
    path("api/", include("telemetry.api.urls")),
    path("", include("telemetry.web.urls")),
]
