"""Views of the overview that members save: who sees them, and what their cards come to."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from telemetry.models import Device, Installation, Membership, SavedView, User
from telemetry.store.db.connection import Connection
from tests.consumption import Site, register
from tests.integration.web.metered import open_account, receive

pytestmark = pytest.mark.integration


def sign_in(site: Site, name: str, role: str) -> Client:
    user = User.objects.create_user(name)
    Membership.objects.create(user=user, account_id=site.account_id, role=role)
    client = Client()
    client.force_login(user)
    return client


def cards_of(client: Client, site: Site) -> list[str]:
    page = client.get(f"/accounts/{site.account_id}/").content.decode()
    found = re.findall(r'<ul class="cards views">(.*?)</ul>', page, re.DOTALL)
    return re.findall(r"<li.*?</li>", found[0], re.DOTALL) if found else []


def test_it_shows_own_and_shared_views_with_what_their_devices_consumed(
    connection: Connection,
) -> None:
    site, viewer = open_account(connection)
    beside = register(connection, site.meter, beside=site)
    Device.objects.update(unit="kWh")
    Device.objects.filter(pk=site.device_id).update(group="Hall 3")
    now = timezone.now()
    for days, value in ((1, 40), (8, 50)):
        receive(connection, (site, now - timedelta(days=days), value),
            (beside, now - timedelta(days=days), 1_000))  # fmt: skip
    admin = sign_in(site, "admin", "admin")
    address = f"/accounts/{site.account_id}/views/?period=7d&group=Hall+3&page=2"
    answer = admin.post(address, {"name": "Hall <3>", "is_shared": "on"})
    assert answer.headers["Location"] == f"/accounts/{site.account_id}/?period=7d&group=Hall+3"
    mine_at = f"/accounts/{site.account_id}/views/?period=30d"
    viewer.post(mine_at, {"name": "Mine", "is_shared": "on"})
    assert list(SavedView.objects.values_list("name", "query", "is_shared").order_by("pk")) == [
        ("Hall <3>", "period=7d&group=Hall+3", True), ("Mine", "period=30d", False),
    ]  # fmt: skip

    [hall, mine] = cards_of(viewer, site)
    assert "Hall &lt;3&gt;" in hall
    assert re.search(r">40(\.0)?<small>", hall)
    assert "20% less" in hall
    assert "shared" in hall
    assert ">2,090<" in mine
    assert len(cards_of(admin, site)) == 1

    view = SavedView.objects.get(name="Hall <3>")
    delete = f"/accounts/{site.account_id}/views/{view.pk}/delete/"
    assert viewer.post(delete).status_code == 403
    assert admin.post(delete).status_code == 302
    own = SavedView.objects.get(name="Mine").pk
    assert viewer.post(f"/accounts/{site.account_id}/views/{own}/delete/").status_code == 302
    assert cards_of(viewer, site) == []


def test_it_keeps_a_view_of_levels_or_hours_as_a_link(connection: Connection) -> None:
    site, viewer = open_account(connection)
    receive(connection, (site, timezone.now() - timedelta(hours=3), 5))
    for name, query in (("Day", "period=24h"), ("Level", "show=level%3A%C2%B0C")):
        viewer.post(f"/accounts/{site.account_id}/views/?{query}", {"name": name})
    assert all('class="value"' not in card for card in cards_of(viewer, site))
    assert len(cards_of(viewer, site)) == 2


def test_it_adds_no_unit_to_another(connection: Connection) -> None:
    """A device whose unit changed where a month began."""
    site, viewer = open_account(connection, zone="UTC")
    some_days_ago = timezone.now() - timedelta(days=4)
    month = some_days_ago.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    first = month - timedelta(days=4)
    receive(connection, *((site, first + timedelta(days=n), 1_000) for n in range(1, 5)))
    Installation.objects.create(
        device_id=site.device_id, since=month, measurement="delta", unit="MWh", factor=1
    )
    receive(connection, *((site, month + timedelta(days=n), 1) for n in range(1, 3)))
    last = month + timedelta(days=2)
    query = f"period=range&from={first:%Y-%m-%d}&to={last:%Y-%m-%d}"
    viewer.post(f"/accounts/{site.account_id}/views/?{query}", {"name": "Both"})
    [card] = cards_of(viewer, site)
    assert re.search(r">2(\.0+)?<small>\xa0MWh", card), card
    page = viewer.get(f"/accounts/{site.account_id}/?{query}").content.decode()
    assert "4,002" not in page
