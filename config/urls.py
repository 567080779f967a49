"""Addresses of the web process."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/", include("telemetry.api.urls")),
    path("", include("telemetry.web.urls")),
]
