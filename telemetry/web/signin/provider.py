"""Sign-in at an identity provider (OpenID Connect): authorization code, PKCE, nonce.

authlib asks the provider and checks the token. Who it is here: `telemetry/accounts/identities.py`.
"""

from functools import cache
from typing import Any

import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from joserfc.errors import JoseError
from requests import RequestException

from config.options import ProviderOptions
from telemetry.accounts.identities import UnknownUserError, find_user
from telemetry.mail.links import make_link
from telemetry.web.signin.address import read_client_address
from telemetry.web.signin.second_factor import BY_PROVIDER, WITHIN_S, go_on

NEXT = "provider_next"
BACKEND = "django.contrib.auth.backends.ModelBackend"
PATIENCE_S = 10
# What a provider's answer can be wrong in: refused, unreachable, forged, or no JSON.
ERRORS = (AuthlibBaseError, JoseError, RequestException, ValueError, KeyError, RuntimeError)

log = structlog.get_logger("telemetry.signin")


@cache
def find_client(options: ProviderOptions) -> Any:
    """The client of the provider; it reads the provider's addresses and keys when it needs them."""
    return OAuth().register(
        "provider",
        client_id=options.client_id,
        client_secret=options.client_secret,
        server_metadata_url=f"{options.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "default_timeout": PATIENCE_S,
        },
    )


def _read_options() -> ProviderOptions:
    options: ProviderOptions = settings.OPTIONS.sign_in.provider
    if not options.issuer:
        raise Http404
    return options


def _connect(options: ProviderOptions) -> Any:
    """The client, if what it read is of that issuer (OpenID Connect Discovery, section 4.3). Raises
    one of `ERRORS`."""
    client = find_client(options)
    issuer = client.load_server_metadata().get("issuer")
    if issuer != options.issuer:
        raise ValueError(f"OIDC_ISSUER={options.issuer!r}: it says that it is {issuer!r}")
    return client


@never_cache
@require_safe
def ask_provider(request: HttpRequest) -> HttpResponse:
    """Lead to the provider. Not from a link of another site: it would sign in who did not ask."""
    options = _read_options()
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return redirect("login")
    if not request.user.is_authenticated:  # anybody may come here, and each leaves a row
        request.session.set_expiry(WITHIN_S)
    request.session[NEXT] = request.GET.get("next", "")
    try:
        answer: HttpResponse = _connect(options).authorize_redirect(
            request, make_link("provider-return")
        )
    except ERRORS as error:
        return _refuse(request, error, text=_("The identity provider does not answer."))
    return answer


@never_cache
@require_safe
def return_from_provider(request: HttpRequest) -> HttpResponse:
    """Where the provider leads back to."""
    options = _read_options()
    must_be = {
        "iss": {"essential": True, "value": options.issuer},
        "aud": {"essential": True, "value": options.client_id},
    }
    try:
        token = _connect(options).authorize_access_token(request, claims_options=must_be)
        claims = token["userinfo"]
        user: Any = find_user(claims, issuer=options.issuer, creates_users=options.creates_users)
    except UnknownUserError as error:
        return _refuse(request, error, text=str(error))
    except ERRORS as error:
        return _refuse(request, error, text=_("The identity provider did not sign you in."))
    to = request.session.pop(NEXT, "")
    if not url_has_allowed_host_and_scheme(
        to, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        to = resolve_url(settings.LOGIN_REDIRECT_URL)
    user.backend = BACKEND
    if "mfa" not in (claims.get("amr") or ()):  # RFC 8176; authlib sees to it that it is a list
        return go_on(request, user, to=to)
    login(request, user, backend=BACKEND)
    request.session[BY_PROVIDER] = True
    return redirect(to)


def _refuse(request: HttpRequest, error: Exception, *, text: str) -> HttpResponse:
    why = f"{type(error).__name__}: {error}"
    log.warning("provider_sign_in_failed", address=read_client_address(request), error=why)
    messages.error(request, text)
    return redirect("login")
