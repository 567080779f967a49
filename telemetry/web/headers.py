"""Headers of every answer: what a page may load, and that nobody keeps it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

COMMON = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# What the admin's theme (django-unfold) needs: Alpine evaluates expressions in attributes, colours
# come in a style element, and widgets are styled in place. Scripts in pages are not allowed.
ADMIN = f"{COMMON}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
ADMIN_PREFIX = "/admin/"
API_PREFIX = "/api/"
METHODS = ("GET", "HEAD", "OPTIONS", "POST")


class SecurityHeaders:
    """Django middleware: Content-Security-Policy, Permissions-Policy, and no caching of pages of
    people who are signed in. TRACE is not answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with the headers that the view has not set itself."""
        # The API says itself what it allows.
        is_trace = request.method == "TRACE" and not request.path.startswith(API_PREFIX)
        response = HttpResponseNotAllowed(METHODS) if is_trace else self.get_response(request)
        policy = ADMIN if request.path.startswith(ADMIN_PREFIX) else COMMON
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        )
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
