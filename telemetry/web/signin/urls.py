"""Addresses of signing in and out, and of passwords."""

from typing import Any

from django.contrib.auth import views
from django.urls import URLPattern, path

from telemetry.web.signin.provider import ask_provider, return_from_provider
from telemetry.web.signin.second_factor import enter_code
from telemetry.web.signin.views import ChangePassword, ForgottenPassword, SetForm, SignIn


def _page(route: str, view: Any, template: str, name: str, **options: Any) -> URLPattern:
    template_name = f"telemetry/signin/{template}.html"
    page: URLPattern = path(route, view.as_view(template_name=template_name, **options), name=name)
    return page


urlpatterns = [
    path("login/", SignIn.as_view(), name="login"),
    path("login/code/", enter_code, name="sign-in-code"),
    path("login/provider/", ask_provider, name="provider"),
    path("login/provider/return/", return_from_provider, name="provider-return"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("password/", ChangePassword.as_view(), name="password_change"),
    _page("password/changed/", views.PasswordChangeDoneView, "changed", "password_change_done"),
    path("password/forgotten/", ForgottenPassword.as_view(), name="password_reset"),
    _page("password/sent/", views.PasswordResetDoneView, "sent", "password_reset_done"),
    _page(
        "password/new/<uidb64>/<token>/",
        views.PasswordResetConfirmView, "new", "password_reset_confirm", form_class=SetForm,
    ),
    _page("password/set/", views.PasswordResetCompleteView, "set", "password_reset_complete"),
]  # fmt: skip
