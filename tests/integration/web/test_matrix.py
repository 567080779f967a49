"""Every address, every role, the own and a foreign account: exactly what is allowed.

An address that is not in the tables fails the test: whoever adds one says who may open it. The
API's routes have a matrix of their own (tests/integration/api).
"""

from collections.abc import Iterator
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from telemetry.accounts.access import Right
from telemetry.accounts.kiosks import issue_link
from telemetry.core.consumption import Meter, Value
from telemetry.models import (
    Account,
    Alarm,
    AlarmDelivery,
    AlarmRule,
    BandPeriod,
    DayNote,
    DeadLetter,
    Edit,
    Finding,
    Holiday,
    Installation,
    Invitation,
    Membership,
    ReportSchedule,
    SavedView,
    User,
    Webhook,
)
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from tests.consumption import put, register

pytestmark = pytest.mark.integration

ROLES = ("viewer", "admin", "owner")
VIEW, OPERATE, MANAGE = Right.VIEW, Right.OPERATE, Right.MANAGE_MEMBERS
BILLING = Right.BILLING
ALLOWED: dict[Right, tuple[str, ...]] = {
    VIEW: ROLES, OPERATE: ("admin", "owner"), BILLING: ("admin", "owner"), MANAGE: ("owner",),
}  # fmt: skip

# Pages of an account: the right that they need. Those of the second table take POST alone.
PAGES = {
    "save-view": VIEW,
    "overview": VIEW, "overview-state": VIEW, "overview-aggregates": VIEW,
    "devices": VIEW, "device": VIEW, "device-state": VIEW, "device-chart": VIEW,
    "gateways": VIEW, "gateway": VIEW, "alarms": VIEW, "device-readings": VIEW, "edits": VIEW,
    "meter": VIEW, "meter-undo": BILLING, "why-gateway": VIEW, "why-device": VIEW,
    "months": VIEW, "month": VIEW, "close-month": BILLING,
    "findings": VIEW, "bands": VIEW, "bands-csv": VIEW, "bands-xlsx": VIEW,
    "bands-print": VIEW, "band-periods": VIEW,
    "statement": VIEW, "statement-print": VIEW, "statement-csv": VIEW,
    "statement-xlsx": VIEW,
    "virtual-meters": VIEW, "virtual-meters-csv": VIEW,
    "alarm-rules": OPERATE, "edit-alarm-rule": OPERATE, "delete-alarm-rule": OPERATE,
    "delete-webhook": OPERATE,
    "reports": VIEW, "report-print": VIEW, "report-csv": VIEW, "report-xlsx": VIEW,
    "report-schedules": OPERATE, "delete-schedule": OPERATE,
    "members": VIEW, "remove-member": MANAGE, "screens": MANAGE,
    "edit-device": OPERATE, "edit-gateway": OPERATE, "add-note": OPERATE, "report-reading": VIEW,
}  # fmt: skip
ACTIONS = {
    "delete-note": OPERATE, "delete-view": OPERATE, "revoke-screen": MANAGE,
    "alarm-acknowledge": OPERATE, "alarm-withdraw": OPERATE, "edit-undo": BILLING,
    "decide-finding": BILLING, "delete-band-period": BILLING, "delete-holiday": BILLING,
    "switch-alarm-rule": OPERATE, "test-alarm-rule": OPERATE, "send-alarm-again": OPERATE,
    "add-webhook": OPERATE,
    "edit-approve": BILLING, "edit-reject": BILLING, "dead-letter-take": BILLING,
    "switch-schedule": OPERATE, "send-report": OPERATE,
    "invite-member": MANAGE, "revoke-invitation": MANAGE, "change-member": MANAGE,
}  # fmt: skip
# What needs a sign-in and no account, and what needs neither.
SIGNED_IN = {"home", "accounts", "profile", "tokens", "revoke-token", "password_change",
    "password_change_done", "admin-password", "confirm-address",
    "second-factor", "sessions"}  # fmt: skip
OPEN = {
    "login", "logout", "set_language", "alive", "ready", "health", "pending-health",
    "pipeline-health", "invitation",
    "password_reset",
    "password_reset_done", "password_reset_confirm", "password_reset_complete",
    "kiosk", "kiosk-live",
    "admin-login", "sign-in-code", "provider", "provider-return",
}  # fmt: skip


def list_addresses(resolver: Any = None) -> Iterator[str]:
    """The names of all addresses but the admin's, the API's and static files."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLPattern):
            yield str(pattern.name)
        elif isinstance(pattern, URLResolver) and str(pattern.pattern) not in ("admin/", "api/"):
            yield from list_addresses(pattern)


@pytest.fixture
def objects(connection: Connection) -> dict[str, dict[str, Any]]:
    """Of an account "own" and one "foreign": one of everything that an address names."""
    return {name: make_objects(connection, name) for name in ("own", "foreign")}


def make_objects(connection: Connection, name: str) -> dict[str, Any]:
    site = register(connection, Meter("delta"))
    account = Account.objects.get(pk=site.account_id)
    now = timezone.now()
    put(connection, [(site, Value(now - timedelta(minutes=5), Decimal(1)))])
    refresh_aggregates(connection)
    for role in ROLES:
        user = User.objects.create_user(f"{name}-{role}", email=f"{name}-{role}@example.com")
        Membership.objects.create(user=user, account=account, role=role)
    spare = User.objects.create_user(f"{name}-spare", email="spare@example.com")
    dead_letter = DeadLetter.objects.create(
        fingerprint=name.encode(), topic="t", payload=b"{}", reason="bad_json", account=account,
        gateway_id=site.gateway_id, first_seen=now, last_seen=now,
    )  # fmt: skip
    return {
        "account_id": account.pk,
        "month": now.date().replace(day=1).isoformat(),
        "device_id": site.device_id,
        "gateway_id": site.gateway_id,
        "dead_letter_id": dead_letter.pk,
        "membership_id": Membership.objects.create(user=spare, account=account, role="viewer").pk,
        "invitation_id": Invitation.objects.create(
            account=account, email="x@example.com", token_digest=name,
            expires_at=now + timedelta(days=1),
        ).pk,
        "installation_id": Installation.objects.create(
            device_id=site.device_id, since=now - timedelta(minutes=2), factor=2
        ).pk,
        "edit_id": Edit.objects.create(
            account=account, device_id=site.device_id, kind="void", since=now, until=now,
            reason="a spike", state="rejected",
        ).pk,
        "finding_id": Finding.objects.create(
            account=account, device_id=site.device_id, rule="silent", since=now,
        ).pk,
        "note_id": DayNote.objects.create(
            account=account, device_id=site.device_id, day=now.date(), text="holiday",
        ).pk,
        "view_id": SavedView.objects.create(
            account=account, name="Hall", is_shared=True, created_by=user
        ).pk,
        "link_id": issue_link(account, name="Canteen", user=user)[0].pk,
        "period_id": BandPeriod.objects.create(
            account=account, band="P", days=["weekday"], starts=time(18), ends=time(21)
        ).pk,
        "holiday_id": Holiday.objects.create(account=account, day=now.date()).pk,
        "rule_id": AlarmRule.objects.create(account=account, kind="offline").pk,
        "webhook_id": Webhook.objects.create(account=account, name="H", url="https://x.example").pk,
        "delivery_id": AlarmDelivery.objects.create(
            account=account, event="raised", due_at=now, failed_at=now,
        ).pk,
        "schedule_id": ReportSchedule.objects.create(account=account, name="Monthly").pk,
        "alarm_id": Alarm.objects.create(
            account=account, device_id=site.device_id, kind="high", limit=1, value=2,
            opened_at=now, last_beyond_at=now,
        ).pk,
    }  # fmt: skip


def sign_in(name: str | None) -> Client:
    client = Client()
    if name is not None:
        client.force_login(User.objects.get(username=name))
    return client


def find(name: str, objects: dict[str, Any]) -> str:
    """The address with what it names."""
    [(_, parameters)] = get_resolver().reverse_dict.getlist(name)[0][0]
    return reverse(name, kwargs={one: objects[one] for one in parameters if one in objects})


def call(client: Client, name: str, address: str) -> int:
    fields = {"email": "n@example.com", "role": "viewer", "note": "", "name": "N",
        "url": "https://x.example/"}  # fmt: skip
    answer = client.post(address, fields) if name in ACTIONS else client.get(address)
    answer.close()
    return answer.status_code


def test_it_knows_every_address() -> None:
    assert sorted(list_addresses()) == sorted({*PAGES, *ACTIONS, *SIGNED_IN, *OPEN})


@pytest.mark.parametrize("who", ["nobody", "staff", *ROLES])
def test_it_opens_to_each_role_exactly_what_it_may(
    objects: dict[str, dict[str, Any]], who: str
) -> None:
    User.objects.create_superuser("staff")
    client = sign_in({"nobody": None, "staff": "staff"}.get(who, f"own-{who}"))
    found = {}
    expected = {}
    for name, right in {**PAGES, **ACTIONS}.items():
        if who == "nobody":
            expected[name] = ("sign in", "sign in")
        else:
            is_allowed = who in ALLOWED[right]
            own = "none" if who == "staff" else "allowed" if is_allowed else "forbidden"
            expected[name] = (own, "none")
        found[name] = tuple(
            classify(client, name, find(name, objects[whose])) for whose in ("own", "foreign")
        )
    assert found == expected


def classify(client: Client, name: str, address: str) -> str:
    status = call(client, name, address)
    if status == 302 and not client.session.get("_auth_user_id"):
        return "sign in"
    return {403: "forbidden", 404: "none"}.get(status, "allowed" if status < 400 else str(status))


def test_it_finds_nothing_foreign_below_the_own_account(
    objects: dict[str, dict[str, Any]],
) -> None:
    client = sign_in("own-owner")
    own, foreign = objects["own"], objects["foreign"]
    for name in (*PAGES, *ACTIONS):
        address = find(name, {**foreign, "account_id": own["account_id"]})
        if address != find(name, own):
            assert call(client, name, address) == 404, name


def test_it_asks_for_the_sign_in_where_no_account_is_named(connection: Connection) -> None:
    for name in SIGNED_IN:
        address = find(name, {"token_id": 1, "token": "x"})
        assert Client().get(address).status_code in (302, 405), name
