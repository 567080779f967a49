"""A screen on a wall: what the link shows, to whom, and until when."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from telemetry.models import Account, KioskLink, Membership, User
from telemetry.store.db.connection import Connection
from tests.integration.web.metered import open_account, receive

pytestmark = pytest.mark.integration


def test_it_shows_one_account_without_a_sign_in_until_the_link_is_revoked(
    connection: Connection,
) -> None:
    site, _ = open_account(connection)
    other, _ = open_account(connection)
    owner = User.objects.create_user("owner")
    Membership.objects.create(user=owner, account_id=site.account_id, role="owner")
    Account.objects.filter(pk=other.account_id).update(name="Strangers")
    receive(connection, (site, timezone.now() - timedelta(hours=2), "123.25"),
        (other, timezone.now() - timedelta(hours=2), "777777.25"))  # fmt: skip
    client, screen = Client(), Client()
    client.force_login(owner)
    screens = f"/accounts/{site.account_id}/screens/"
    page = client.post(screens, {"name": "Canteen"}).content.decode()
    [address] = set(re.findall(r"http://testserver(/kiosk/[\w-]+/)", page))
    assert KioskLink.objects.get().digest not in address

    answer = screen.get(address)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "123" in page
    for theirs in ("777,777", "777777"):
        assert theirs not in page
    assert "Strangers" not in page
    assert 'data-theme="dark"' in page
    assert "noindex" in page
    assert f"/accounts/{site.account_id}/" not in page  # nothing that needs a sign-in
    assert "sessionid" not in screen.cookies
    [tag] = re.findall(r'data-tag="&quot;(\w+)&quot;"', page)
    live = screen.get(f"{address}live/", headers={"If-None-Match": f'"{tag}"'})
    assert live.status_code == 304
    assert "123" in screen.get(f"{address}live/").content.decode()
    assert KioskLink.objects.get().used_at is not None
    assert address not in client.get(screens).content.decode()  # it is shown once

    client.post(f"{screens}{KioskLink.objects.get().pk}/revoke/")
    assert screen.get(address).status_code == 404
    assert screen.get(f"{address}live/").status_code == 404
    assert "revoked" in client.get(screens).content.decode()


def test_it_shows_nothing_of_an_account_that_is_inactive_or_by_a_wrong_link(
    connection: Connection,
) -> None:
    from telemetry.accounts.kiosks import issue_link

    site, _ = open_account(connection)
    account = Account.objects.get(pk=site.account_id)
    _, secret = issue_link(account, name="Hall", user=User.objects.get())
    assert Client().get(f"/kiosk/{secret}/").status_code == 200
    Account.objects.update(is_active=False)
    for wrong in (secret, secret[:-1], "x" * 43):
        assert Client().get(f"/kiosk/{wrong}/").status_code == 404
