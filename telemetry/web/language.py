"""The language that a user chose, whatever the browser says."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.i18n import set_language


class UserLanguage:
    """Django middleware behind the authentication: pages speak the user's language."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer in it. Without a choice, the cookie or the browser's header has decided."""
        language = getattr(request.user, "language", "")
        if not language:
            return self.get_response(request)
        with translation.override(language):
            request.LANGUAGE_CODE = language
            response = self.get_response(request)
            response.headers["Content-Language"] = language
            return response


def choose_language(request: Any) -> HttpResponse:
    """The switch on every page: for who is signed in, what it chose counts everywhere from then on,
    as in the profile; for all others a cookie keeps it."""
    answer: HttpResponse = set_language(request)
    code = request.POST.get("language", "") if request.method == "POST" else ""
    if request.user.is_authenticated and code in dict(settings.LANGUAGES):
        request.user.language = code
        request.user.save(update_fields=["language"])
    return answer
