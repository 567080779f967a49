"""In production nothing is left open: Django's own list, DEBUG, host names, secrets."""

import os
import subprocess

import pytest

from tests import forks

GOOD = {
    "SECRET_KEY": "0f6bb2d3a94c41d78a52c7e4b0d9316ff2a98cd1037e64b5c81e0f7a",
    "DATABASE_URL": "postgres://tds:5a1fd09c3b7e4286@127.0.0.1:1/x",
    "REDIS_URL": "redis://:9d2c60be57a34f18@127.0.0.1:1/0",
    "ALLOWED_HOSTS": "energy.example",
    "EMAIL_URL": "smtp://mail.example",
    "WEB_URL": "https://energy.example",
}


PROVIDER = {
    "OIDC_ISSUER": "https://login.example", "OIDC_CLIENT_ID": "telemetry",
    "OIDC_CLIENT_SECRET": "b71e5c0d94f2a863e1079c4d5ab2f68e",
}  # fmt: skip


def check(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {"PATH": os.environ["PATH"]}
    return forks.run(("manage.py", "check", *arguments), {**inherited, **GOOD, **environ})


def test_it_passes_the_deployment_check_of_django() -> None:
    done = check("--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_it_asks_staff_for_a_second_factor_and_has_cookies_of_this_host_alone() -> None:
    code = (
        "from django.conf import settings as s; print(s.OPTIONS.sign_in.second_factor,"
        " s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.LANGUAGE_COOKIE_NAME,"
        " s.SESSION_COOKIE_SECURE, s.LANGUAGE_COOKIE_SECURE)"
    )
    done = forks.run(
        ("manage.py", "shell", "--no-imports", "-c", code), {"PATH": os.environ["PATH"], **GOOD}
    )
    names = ["__Host-sessionid", "__Host-csrftoken", "__Host-django_language"]
    assert done.stdout.split() == ["staff", *names, "True", "True"]


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("DEBUG", "1", "E007"),
        ("WEB_URL", "", "E010"),
        ("ALLOWED_HOSTS", "energy.example,*", "E008"),
        ("ALLOWED_HOSTS", ".", "E008"),
        ("SECRET_KEY", "k" * 60, "E009"),
        ("SECRET_KEY", "django-insecure-0f6bb2d3a94c41d78a52c7e4b0d9316ff2a98c", "E009"),
        ("SECRET_KEY", "please-change-me-before-you-start", "E009"),
        ("SECRET_KEY_FALLBACKS", f"{GOOD['SECRET_KEY'][::-1]},short", "E009"),
        ("DATABASE_URL", "postgres://tds:hush@127.0.0.1:1/x", "E009"),
        ("DATABASE_URL", "postgres://tds@127.0.0.1:1/x?password=hush", "E009"),
        ("REDIS_URL", "redis://:password12345678@127.0.0.1:1/0", "E009"),
    ],
)
def test_it_stops_in_production_and_not_in_a_demo(setting: str, value: str, rule: str) -> None:
    done = check(**{setting: value})
    assert done.returncode == 1
    assert f"telemetry.{rule}" in done.stderr
    assert setting in done.stderr
    assert rule != "E009" or value not in done.stderr  # a secret
    assert "Traceback" not in done.stderr
    assert check(**{setting: value, "DEMO": "1"}).returncode == 0


def test_it_wants_to_know_where_an_identity_provider_leads_back_to() -> None:
    assert check(**PROVIDER).returncode == 0
    done = check(**PROVIDER, WEB_URL="", EMAIL_URL="")
    assert "telemetry.E011" in done.stderr
    assert "OIDC_CLIENT_SECRET=(hidden)" in check(**PROVIDER | {"OIDC_CLIENT_SECRET": "x"}).stderr
    for wrong in ({"OIDC_ISSUER": "http://login.example"}, {"OIDC_CLIENT_ID": ""}):
        done = check(**PROVIDER | wrong)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_it_takes_what_a_former_key_signed() -> None:
    former = GOOD["SECRET_KEY"][::-1]
    code = "from django.core.signing import dumps, loads; print(loads({text!r}))"
    make = "from django.core.signing import dumps; print(dumps('signed'))"
    shell = ("manage.py", "shell", "--no-imports", "-c")
    path = {"PATH": os.environ["PATH"]}
    signed = forks.run((*shell, make), {**path, **GOOD, "SECRET_KEY": former}).stdout.strip()
    again = (*shell, code.format(text=signed))
    assert forks.run(again, {**path, **GOOD}).returncode != 0
    done = forks.run(again, {**path, **GOOD, "SECRET_KEY_FALLBACKS": former})
    assert done.stdout.strip() == "signed", done.stderr
