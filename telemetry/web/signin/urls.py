"""Addresses of signing in and out, and of passwords."""

from django.contrib.auth import views
from django.urls import path

from telemetry.web.signin.views import ForgottenPassword

_FOLDER = "telemetry/signin/"

urlpatterns = [
    path(
        "login/",
        views.LoginView.as_view(
            template_name=f"{_FOLDER}login.html", redirect_authenticated_user=True
        ),
        name="login",
    ),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        views.PasswordChangeView.as_view(template_name=f"{_FOLDER}change.html"),
        name="password_change",
    ),
    path(
        "password/changed/",
        views.PasswordChangeDoneView.as_view(template_name=f"{_FOLDER}changed.html"),
        name="password_change_done",
    ),
    path("password/forgotten/", ForgottenPassword.as_view(), name="password_reset"),
    path(
        "password/sent/",
        views.PasswordResetDoneView.as_view(template_name=f"{_FOLDER}sent.html"),
        name="password_reset_done",
    ),
    path(
        "password/new/<uidb64>/<token>/",
        views.PasswordResetConfirmView.as_view(template_name=f"{_FOLDER}new.html"),
        name="password_reset_confirm",
    ),
    path(
        "password/set/",
        views.PasswordResetCompleteView.as_view(template_name=f"{_FOLDER}set.html"),
        name="password_reset_complete",
    ),
]
