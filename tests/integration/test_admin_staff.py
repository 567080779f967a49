"""Staff by account: over every address of the admin, staff of account A get nothing of B."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from telemetry.accounts.staff import has_account
from telemetry.models import Account, DeadLetter, Device, Gateway, Membership
from telemetry.store.db.connection import Connection
from tests.consumption import Site
from tests.databases import connect_as
from tests.integration.store.test_account_wall import sites  # noqa: F401 - a fixture

pytestmark = pytest.mark.integration

MARK, MAC = "Bravo7secret", "0b:0b:0b:0b:0b:0b"
PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")


@pytest.fixture
def bravo(environ: dict[str, str], connection: Connection, sites: list[Site]) -> Site:  # noqa: F811
    """Two accounts with a row in every table; whatever names the second one can be told."""
    mine, other = sites
    Account.objects.filter(pk=other.account_id).update(name=MARK)
    Gateway.objects.filter(pk=other.gateway_id).update(code=MARK, name=MARK, mac=MAC)
    Device.objects.filter(pk=other.device_id).update(code=MARK, name=MARK)
    DeadLetter.objects.filter(account=other.account_id).update(
        detail=MARK, topic=MARK, payload=MARK.encode(), mac=MAC
    )
    return mine


def log_in(account_id: int | None, *, name: str) -> Client:
    """Staff with every permission there is but the one to see every account."""
    user = get_user_model().objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.exclude(codename="see_every_account"))
    if account_id is not None:
        Membership.objects.create(user=user, account_id=account_id, role="viewer")
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def list_routes(patterns: Any, prefix: str = "") -> Iterator[str]:
    """Every route of the admin, as Django writes them."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from list_routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def find_key(model: Any, account_id: int) -> str:
    """The key of an object of the account."""
    if model is Account:
        return str(account_id)
    names = {field.name for field in model._meta.fields}
    field = next(name for name in ("account", "gateway__account", "device__account")
                 if name.partition("__")[0] in names)  # fmt: skip
    return str(model._default_manager.filter(**{field: account_id}).values_list("pk", flat=True)[0])


def list_addresses(account_id: int) -> list[str]:
    """Every address of the admin, with the keys of an account's objects."""
    keys = {
        f"{model._meta.app_label}/{model._meta.model_name}/": find_key(model, account_id)
        for model in admin.site._registry
        if has_account(model)
    }
    [resolver] = [
        each for each in get_resolver().url_patterns if getattr(each, "app_name", "") == "admin"
    ]
    addresses = []
    for route in list_routes(resolver.url_patterns):
        plain = re.sub(r"\$$|\^", "", route)
        if plain.startswith(("logout", "password", "login")):
            continue
        key = next((key for name, key in keys.items() if plain.startswith(name)), "1")
        for parameter in PARAMETER.finditer(plain):
            plain = plain.replace(parameter[0], MAC if parameter[2] == "mac" else key)
        addresses.append(f"/admin/{plain}")
    return addresses


def test_it_shows_staff_of_an_account_nothing_of_another_over_every_address(
    bravo: Site, connection: Connection
) -> None:
    addresses = list_addresses(Account.objects.get(name=MARK).pk)
    assert len(addresses) > 200
    client = log_in(bravo.account_id, name="alfa")
    administrator = Client(raise_request_exception=False)
    administrator.force_login(
        get_user_model().objects.create_user("root", is_staff=True, is_superuser=True)
    )
    seen, wrong = 0, []
    for address in addresses:
        reply = client.get(address)
        if reply.status_code >= 500:
            wrong.append(f"{address}: {reply.status_code}")
        elif reply.status_code == 200:
            seen += 1
            body = b"".join(reply) if reply.streaming else reply.content
            if MARK.encode() in body or (MAC.encode() in body and MAC not in address):
                wrong.append(address)
    assert not wrong, "\n".join(wrong)
    assert seen > 40, "it sees its own"
    marked = administrator.get("/admin/telemetry/gateway/").content.decode()
    assert MARK in marked, "administrators see both"


def test_it_lets_staff_write_in_their_account_alone(bravo: Site, connection: Connection) -> None:
    client = log_in(bravo.account_id, name="alfa")
    other = Account.objects.get(name=MARK).pk
    gateway = {
        "code": "NEW", "mac": "02:00:00:00:00:99", "max_devices": 8,
        "devices-TOTAL_FORMS": 0, "devices-INITIAL_FORMS": 0,
    }  # fmt: skip
    client.post("/admin/telemetry/gateway/add/", {**gateway, "account": other})
    assert not Gateway.objects.filter(code="NEW").exists()
    client.post("/admin/telemetry/gateway/add/", {**gateway, "account": bravo.account_id})
    assert Gateway.objects.get(code="NEW").account_id == bravo.account_id
    for model in ("gateway", "device", "account", "deadletter", "alarmrule"):
        keys = {"action": "delete_selected", "_selected_action": [1, 2, 3, 4], "post": "yes"}
        before = [Gateway.objects.count(), Device.objects.count(), Account.objects.count()]
        client.post(f"/admin/telemetry/{model}/", keys)
        theirs = Gateway.objects.filter(account=other).count(), before
        assert theirs[0] == 1, model
    rule = {"kind": "above", "limit": 1, "delay_minutes": 0, "name": "of no account"}
    assert client.post("/admin/telemetry/alarmrule/add/", rule).status_code in (200, 403)
    assert client.get("/admin/telemetry/account/add/").status_code == 403
    for address in ("auth/group/", "telemetry/user/", "telemetry/batch/", "telemetry/taskrun/"):
        assert client.get(f"/admin/{address}").status_code == 403, address


def test_it_shows_one_given_account_at_a_time_and_all_to_those_who_may(
    bravo: Site, connection: Connection
) -> None:
    nobody = log_in(None, name="nobody")
    home = nobody.get("/admin/").content.decode()
    assert "No account was given to you" in home
    assert MARK not in nobody.get("/admin/telemetry/account/").content.decode()
    both = log_in(bravo.account_id, name="both")
    user, other = get_user_model().objects.get(username="both"), Account.objects.get(name=MARK)
    Membership.objects.create(user=user, account=other, role="viewer")
    first, second = sorted((other.pk, bravo.account_id), key=lambda pk: (pk != other.pk, pk))
    for account in (first, second):
        page = both.get(f"/admin/?account={account}").content.decode()
        assert f"?account={first}" in page
        assert f"?account={second}" in page
        shown = MARK in both.get("/admin/telemetry/device/").content.decode().partition("result")[2]
        assert shown == (account == other.pk)
    user.user_permissions.add(Permission.objects.get(codename="see_every_account"))
    everything = both.get("/admin/telemetry/device/").content.decode().partition("result")[2]
    assert MARK in everything
    assert both.get("/admin/telemetry/batch/").status_code == 200


def test_it_opens_lists_with_a_wall_alone(connection: Connection) -> None:
    walled = {
        str(name)
        for (name,) in connection.execute(
            "SELECT c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid "
            "UNION SELECT relname FROM pg_class WHERE relnamespace = 'scoped'::regnamespace"
        ).fetchall()
    }
    opened = {model._meta.db_table for model in admin.site._registry if has_account(model)}
    assert opened <= walled
    assert len(opened) > 20


def test_it_shows_staff_of_an_account_nothing_where_no_wall_stands(
    bravo: Site, servers: Any
) -> None:
    client = log_in(bravo.account_id, name="alfa")
    with connect_as(servers.environ["DATABASE_URL"]):
        assert client.get("/admin/telemetry/gateway/").status_code == 403
    assert client.get("/admin/telemetry/gateway/").status_code == 200


def test_it_offers_staff_the_values_of_their_account_alone(bravo: Site) -> None:
    cache.clear()
    Device.objects.filter(pk=bravo.device_id).update(group="Hall 1")
    Device.objects.exclude(pk=bravo.device_id).update(group=MARK)
    get_user_model().objects.create_superuser("administrator")
    every, some, none = Client(), log_in(bravo.account_id, name="staff"), log_in(None, name="new")
    every.force_login(get_user_model().objects.get(username="administrator"))
    assert _list_groups(every) == {MARK, "Hall 1"}  # and it is remembered
    assert _list_groups(some) == {"Hall 1"}
    assert none.get("/admin/telemetry/device/").status_code == 403 or not _list_groups(none)
    cache.clear()


def _list_groups(client: Client) -> set[str]:
    changelist = client.get("/admin/telemetry/device/").context["cl"]
    [by_group] = [spec for spec in changelist.filter_specs if spec.title == "group"]
    return set(by_group.lookup_choices)
