""" "Why no data?" on members' pages and in the admin: two clicks away, and of one's own only."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from telemetry.models import DeadLetter
from telemetry.store.db.connection import Connection
from telemetry.store.operations.summaries import count_groups
from tests.integration.web.site import (
    HOSTILE,
    add_dead_letter,
    add_reading,
    make_account,
    make_device,
    make_gateway,
    sign_in,
)

pytestmark = pytest.mark.integration


def test_it_answers_members_and_administrators_in_words(connection: Connection, queue: Any) -> None:
    now = datetime.now(UTC)
    account, other = make_account(), make_account("Other")
    gateway = make_gateway(account, is_online=True, last_seen=now)
    device, strange = make_device(gateway, name=HOSTILE), make_gateway(other)
    add_reading(connection, device, at=now - timedelta(hours=3))
    add_dead_letter(
        gateway, at=now, reason="unit_mismatch", device_code="D01", detail="has 'kWh', not 'kwh'"
    )
    add_dead_letter(strange, at=now, mac=gateway.mac, detail="another account's")
    count_groups()
    state = {"state": "ready", "at": now.timestamp(), "host": "h", "pid": 1}
    queue.redis.set("ingest:bridge:bridge-1", json.dumps(state))
    member = sign_in(account)
    page = member.get(reverse("device", args=[account.pk, device.pk])).content.decode()
    why = reverse("why-device", args=[account.pk, device.pk])
    assert why in page
    queue.redis.hset(
        "ingest:broker",
        mapping={
            f"denied_publish/{gateway.mac}": 318,
            f"at:denied_publish/{gateway.mac}": now.timestamp() - 9,
        },
    )
    for address in (why, reverse("why-gateway", args=[account.pk, gateway.pk])):
        reply = member.get(address)
        page = reply.content.decode()
        assert reply.status_code == 200
        assert "but what arrives is rejected: Other unit" in page, page
        assert "not &#x27;kwh&#x27;" in page
        assert "318 refused so far" in page
        assert "another account" not in page
        assert HOSTILE not in page
        assert "/admin/" not in page.partition("<main")[2]
    stranger = sign_in(other)
    assert stranger.get(why).status_code == 404
    assert stranger.get(reverse("why-gateway", args=[other.pk, gateway.pk])).status_code == 404

    user = get_user_model().objects.create_user("admin", is_staff=True, is_superuser=True)
    admin = Client()
    admin.force_login(user)
    [letter] = DeadLetter.objects.filter(account=account)
    for kind, key in (("gateway", gateway.pk), ("device", device.pk)):
        address = reverse(f"admin:telemetry_{kind}_why", args=[key])
        assert address in admin.get(f"/admin/telemetry/{kind}/").content.decode()
        page = admin.get(address).content.decode()
        assert "but what arrives is rejected: Other unit" in page
        assert reverse("admin:telemetry_deadletter_change", args=[letter.pk]) in page
        form = admin.get(reverse(f"admin:telemetry_{kind}_change", args=[key])).content.decode()
        assert "ask-why" in form
        assert admin.get(address.replace(str(key), "999999")).status_code == 404
