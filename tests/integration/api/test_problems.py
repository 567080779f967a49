"""Whatever goes wrong below /api/ is a problem document: not found, not allowed, broken, away."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from telemetry.api.problems import KINDS, find_kind
from telemetry.models import Account
from tests.integration.api.conftest import Get, read_problem

pytestmark = pytest.mark.integration


def test_it_explains_an_unknown_address(own: Account, api: Client) -> None:
    for path in ("/api/", "/api/v1/nothing", "/api/v2/me", "/api/v1/accounts/", "/api/v1/%00"):
        for client in (api, Client()):
            problem = read_problem(client.get(path), status=404)
            assert problem["type"].endswith(":not-found")


def test_it_explains_a_method_that_is_not_allowed(own: Account, api: Client) -> None:
    for method in ("POST", "DELETE", "OPTIONS", "TRACE", "BREW"):
        response = api.generic(method, "/api/v1/me")
        assert method in read_problem(response, status=405)["detail"]
        assert response.headers["Allow"] == "GET"


def test_it_answers_head_like_get(api: Client, get: Get) -> None:
    for path, status in (("/api/v1/me", 200), ("/api/v1/nothing", 404)):
        response = api.head(path)
        assert response.status_code == status
        assert response.content == b""
    assert api.head("/api/v1/me").headers["Content-Type"] == "application/json; charset=utf-8"


def test_it_explains_a_host_that_is_not_ours(own: Account, api: Client) -> None:
    response = api.get("/api/v1/accounts", headers={"Host": "evil.example"})
    assert read_problem(response, status=400)["type"].endswith(":bad-request")


def test_it_explains_a_body_that_is_too_large(own: Account, api: Client) -> None:
    response = api.generic(
        "POST",
        f"/api/v1/accounts/{own.pk}/alarms/1/acknowledge",
        b'{"note": "' + b"x" * 3_000_000,
        content_type="application/json",
    )
    read_problem(response, status=413)


def test_it_explains_a_bug_without_telling_of_it(
    own: Account, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr("telemetry.api.auth.find_membership", break_down)
    api.raise_request_exception = False
    try:
        problem = read_problem(api.get(f"/api/v1/accounts/{own.pk}"), status=500)
    finally:
        api.raise_request_exception = True
    assert problem["type"].endswith(":internal-error")
    assert "secret" not in str(problem)


def test_it_says_so_when_the_database_is_away(
    own: Account, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OperationalError("could not connect to server at 10.0.0.1")

    for place in ("telemetry.api.auth.find_token", "telemetry.api.auth.find_membership"):
        with monkeypatch.context() as patch:
            patch.setattr(place, fail)
            response = api.get(f"/api/v1/accounts/{own.pk}")
        problem = read_problem(response, status=503)
        assert "10.0.0.1" not in str(problem)
        assert response.headers["Retry-After"] == "5"


def test_it_keeps_answers_from_caches(own: Account, api: Client) -> None:
    for path in ("/api/v1/me", "/api/v1/nothing"):
        response = api.get(path)
        assert response.headers["Cache-Control"] == "private, no-store"
        assert {"Authorization", "Cookie"} <= set(response.headers["Vary"].split(", "))
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")


def test_it_leaves_the_pages_alone(own: Account) -> None:
    response = Client().get("/nothing")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_it_tells_kinds_apart_by_their_type() -> None:
    assert len({kind.slug for kind in KINDS}) == len(KINDS)
    assert find_kind(418).slug == "i'm-a-teapot"
