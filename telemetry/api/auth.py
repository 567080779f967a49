"""Who calls, and whether this token or session may: checked before anything else."""

from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_noop
from msgspec import Struct
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from telemetry.accounts.access import Right, find_membership, has_right
from telemetry.accounts.tokens import find_token, record_use
from telemetry.api.limits import REQUESTS, count_against
from telemetry.api.problems import (
    CSRF_FAILED,
    INVALID_TOKEN,
    MISSING_SCOPE,
    ROLE_TOO_LOW,
    UNAUTHENTICATED,
    NotFoundError,
    ProblemError,
)
from telemetry.changes.acts import change_as
from telemetry.models import ApiToken, Membership, User
from telemetry.store.db import account_scope
from telemetry.web.signin.address import read_client_address

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="TDS Telemetry"'}
INVALID = {"WWW-Authenticate": 'Bearer realm="TDS Telemetry", error="invalid_token"'}
SCOPE_MARK = "x-scope"
"""Where the document's maker finds the scope of a route."""
SAFE_METHODS = frozenset({"GET", "HEAD"})

Scope = ApiToken.Scope

log = structlog.get_logger("telemetry.api")


class Caller(Struct, frozen=True):
    """Who calls. A session has no token, and every scope."""

    user: User
    token: ApiToken | None = None


class ApiRequest(HttpRequest):
    """A request whose caller is known."""

    auth: Caller


class TokenAuth(AuthBase):
    """`Authorization: Bearer tds_...`. Without that header the session counts."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "A personal token: see Profile, API tokens."

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Caller | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        try:
            token = read_token(header)
        except ProblemError as error:
            log.warning("token_rejected", address=read_client_address(request), reason=error.detail)
            raise
        count_against(REQUESTS, request, user_id=token.user_id)
        if self.scope not in token.scopes:
            raise ProblemError(
                MISSING_SCOPE,
                gettext_noop("This needs a token with the scope %(scope)s; yours has %(scopes)s."),
                values={"scope": self.scope.value, "scopes": ", ".join(token.scopes)},
            )
        change_as(token.user)
        return Caller(token.user, token)


class SessionAuth(AuthBase):
    """The session of the pages. What changes something needs the CSRF token as well."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = settings.SESSION_COOKIE_NAME
    openapi_description = "The session of the pages; POST needs X-CSRFToken."

    def __call__(self, request: HttpRequest) -> Caller:
        user = request.user
        if not isinstance(user, User):
            raise ProblemError(
                UNAUTHENTICATED,
                gettext_noop("Send Authorization: Bearer with a personal token, or sign in."),
                headers=CHALLENGE,
            )
        if request.method not in SAFE_METHODS:
            _ = request.body  # read now: the check may read a form from the stream
            if check_csrf(request) is not None:
                text = gettext_noop("Send the header X-CSRFToken, or use a token.")
                raise ProblemError(CSRF_FAILED, text)
        count_against(REQUESTS, request, user_id=user.pk)
        return Caller(user)


def opened_by(scope: Scope, *, content: dict[str, Any] | None = None) -> dict[str, Any]:
    """How a route is opened, for its decorator: by a token with this scope, or by a session.

    `content`: what it answers, by media type, when that is no JSON.
    """
    extra: dict[str, Any] = {SCOPE_MARK: scope.value}
    if content is not None:
        extra["responses"] = {200: {"content": content}}
    return {"auth": [TokenAuth(scope), SessionAuth()], "openapi_extra": extra}


def read_token(header: str) -> ApiToken:
    """The valid token in the header, with its user. Its use is recorded. Raises `ProblemError`."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer":
        raise _reject(gettext_noop("Authorization: expected Bearer and a personal token."))
    token, now = find_token(text.strip()), timezone.now()
    if token is None or not token.user.is_active:
        raise _reject(gettext_noop("This token is unknown: see Profile, API tokens."))
    if token.revoked_at is not None:
        text = gettext_noop("The token %(prefix)s... was revoked: make another.")
        raise _reject(text, prefix=token.prefix)
    if token.is_expired(now=now):
        text = gettext_noop("The token %(prefix)s... has expired: make another.")
        raise _reject(text, prefix=token.prefix)
    record_use(token, now=now)
    return token


def open_account(request: ApiRequest, account_id: int, *, right: Right = Right.VIEW) -> Membership:
    """The caller's membership. Raises `NotFoundError`, or `ProblemError` when the role is too low.

    A foreign account and a missing one cost the same one query.
    """
    caller = request.auth
    if caller.token is not None and caller.token.account_id not in (None, account_id):
        raise NotFoundError
    membership = find_membership(caller.user, account_id=account_id)
    if membership is None:
        raise NotFoundError
    if not has_right(membership, right):
        raise ProblemError(
            ROLE_TOO_LOW,
            gettext_noop("You are %(role)s of this account, which does not allow this."),
            values={"role": membership.role},
        )
    account_scope.open_account(account_id)
    return membership


def _reject(detail: str, **values: str) -> ProblemError:
    return ProblemError(INVALID_TOKEN, detail, values=values, headers=INVALID)
