"""What members change and say: names, limits, notes on days, readings that they report as wrong."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from telemetry.core.consumption import Meter
from telemetry.models import Account, AlarmRule, DayNote, Finding, Membership, User
from telemetry.store.db.connection import Connection
from telemetry.store.findings.evaluate import evaluate_findings
from tests.consumption import Site
from tests.integration.web.metered import device_of, open_account, receive
from tests.integration.web.test_device_page import chart_data_of

pytestmark = pytest.mark.integration


def page_of(site: Site, name: str = "") -> str:
    return f"/accounts/{site.account_id}/devices/{site.device_id}/{name}"


def sign_in_admin(site: Site) -> Client:
    user = User.objects.create_user(
        f"admin-{site.account_id}", first_name="Ana", last_name="Reis", email="ana@example.com"
    )
    account = Account.objects.get(pk=site.account_id)
    Membership.objects.create(user=user, account=account, role="admin")
    client = Client()
    client.force_login(user)
    return client


def read(client: Client, address: str, *, status: int = 200, data: Any = None) -> str:
    answer = client.get(address) if data is None else client.post(address, data, follow=True)
    assert answer.status_code == status
    return answer.content.decode()


def test_it_changes_names_groups_and_limits_and_says_who_is_told(connection: Connection) -> None:
    site, viewer = open_account(connection)
    admin = sign_in_admin(site)
    assert "Edit, limits, notices" not in read(viewer, page_of(site))
    rule = AlarmRule.objects.create(account_id=site.account_id, kind="device_limits")
    rule.recipients.add(User.objects.get(first_name="Ana"))
    assert "Ana Reis" in read(admin, page_of(site, "edit/"))
    values = {"name": "Chillers", "group": "Hall 3", "alarm_low": "1", "alarm_high": "0.5"}
    wrong = read(admin, page_of(site, "edit/"), status=400, data=values)
    assert "Expected the lower limit or more." in wrong
    page = read(admin, page_of(site, "edit/"), data={**values, "alarm_low": ""})
    assert "Chillers" in page
    device = device_of(site)
    assert (device.group, device.alarm_low, device.alarm_high) == ("Hall 3", None, Decimal("0.5"))
    gateway = f"/accounts/{site.account_id}/gateways/{site.gateway_id}/edit/"
    assert "Roof" in read(admin, gateway, data={"name": "G", "location": "Roof"})


def test_it_shows_a_note_on_its_day_until_somebody_takes_it_back(connection: Connection) -> None:
    site, viewer = open_account(connection)
    admin = sign_in_admin(site)
    now = timezone.now()
    receive(connection, (site, now - timedelta(hours=1), 5))
    today = timezone.localdate(timezone=ZoneInfo("America/Sao_Paulo"))
    text = "Holiday, hall closed <all day>"
    assert "Choose a day" in read(
        admin, page_of(site, "notes/"), status=400, data={"day": "1999-01-01", "text": text}
    )
    read(admin, page_of(site, "notes/"), data={"day": today.isoformat(), "text": text})
    page = read(viewer, page_of(site) + "?period=7d")
    assert "Holiday, hall closed &lt;all day&gt;" in page
    assert "Ana Reis" in page
    assert [text for _, text in chart_data_of(page)["marks"]] == ["Holiday, hall closed <all day>"]
    note = DayNote.objects.get()
    delete = page_of(site, f"notes/{note.pk}/delete/")
    read(viewer, delete, status=403, data={})
    assert "hall closed" not in read(admin, delete, data={})


def test_it_takes_the_report_of_any_member_as_a_finding_that_only_people_decide(
    connection: Connection,
) -> None:
    site, viewer = open_account(connection, Meter("delta", interval_s=600))
    at = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    receive(connection, (site, at, 900), (site, at + timedelta(minutes=50), 2))

    def report(instant: datetime, *, status: int) -> str:
        values = {"at": instant.isoformat(sep=" "), "text": "The hall was closed"}
        return read(viewer, page_of(site, "report/"), status=status, data=values)

    listed = read(viewer, page_of(site, "readings/"))
    [link] = re.findall(r'href="([^"]+report/\?at=[^"]+)"', listed)[-1:]
    assert f'value="{at.astimezone(ZoneInfo("America/Sao_Paulo")).isoformat()}"' in unescape(
        read(viewer, unescape(link))
    )
    assert "lies ahead" in report(at + timedelta(days=1), status=400)
    assert "no reading within an hour" in report(at - timedelta(hours=2), status=400)
    assert "among the findings" in report(at + timedelta(minutes=7), status=200)
    assert "reported already" in report(at, status=400)
    finding = Finding.objects.get(rule="reported")
    assert (finding.since, finding.evidence["value"]) == (at, "900.0000")
    evaluate_findings(connection, now=timezone.now())
    finding.refresh_from_db()
    assert finding.state == "open"
    page = read(viewer, f"/accounts/{site.account_id}/findings/")
    assert "The hall was closed" in page
    assert chart_data_of(read(viewer, page_of(site) + "?period=7d"))["suspect"] != []
