"""Addresses of the overview."""

from django.urls import path

from telemetry.web.overview.saved_views import delete_view, save_view
from telemetry.web.overview.views import overview, overview_aggregates, overview_state

urlpatterns = [
    path("accounts/<int:account_id>/", overview, name="overview"),
    path("accounts/<int:account_id>/live/state/", overview_state, name="overview-state"),
    path("accounts/<int:account_id>/views/", save_view, name="save-view"),
    path("accounts/<int:account_id>/views/<int:view_id>/delete/", delete_view, name="delete-view"),
    path(
        "accounts/<int:account_id>/live/aggregates/",
        overview_aggregates,
        name="overview-aggregates",
    ),
]
