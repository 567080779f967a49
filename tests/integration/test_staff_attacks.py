"""Staff of one account cannot act on another's, or see who else there is, by what they send."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.forms import ModelChoiceField

from telemetry.models import (
    Account,
    AlarmRule,
    Assignment,
    DeadLetter,
    DeadLetterGroup,
    Gateway,
    Membership,
    User,
)
from telemetry.store.db.account_scope import open_account, open_every_account
from telemetry.store.db.connection import Connection
from tests.consumption import Site
from tests.integration.store.test_account_wall import sites  # noqa: F401 - a fixture
from tests.integration.test_admin_staff import MAC, MARK, bravo, log_in  # noqa: F401 - a fixture
from tests.messages import MAC as OWN_MAC

pytestmark = pytest.mark.integration

ADMIN = "/admin/telemetry"
WHO = "secretperson"


def test_it_neither_enters_nor_undoes_moves(bravo: Site, connection: Connection) -> None:  # noqa: F811
    gateway = Gateway.objects.get(mac=MAC)
    gateway.account_id = bravo.account_id
    gateway.save()
    client = log_in(bravo.account_id, name="alfa")
    moved = Assignment.objects.get(since__isnull=False, gateway=gateway)
    press = {"action": "undo", "_selected_action": [moved.pk], "confirmed": "yes"}
    client.post(f"{ADMIN}/assignment/", press)
    assert Assignment.objects.filter(pk=moved.pk).exists()
    assert client.get(f"{ADMIN}/assignment/").status_code == 200
    assert client.get(f"{ADMIN}/assignment/add/").status_code == 403


def test_it_refuses_a_mac_of_another_account(bravo: Site, connection: Connection) -> None:  # noqa: F811
    client = log_in(bravo.account_id, name="alfa")
    no_devices = {"devices-TOTAL_FORMS": 0, "devices-INITIAL_FORMS": 0}
    form = {"code": "NEW", "account": bravo.account_id, **no_devices}
    name = Account.objects.get(pk=bravo.account_id).name
    text = f"account,code,mac,name,location,max_devices,is_active\n{name},NEW,{MAC},x,,8,1\n"
    for path, sent in (
        ("gateway/add/", {**form, "mac": MAC, "max_devices": 8}),
        (f"deadlettergroup/register/{MAC}/", form),
        ("gateway/import-csv/", {"text": text}),
        ("gateway/import-csv/", {"text": text, "import": "yes"}),
    ):
        answer = client.post(f"{ADMIN}/{path}", sent)
        assert answer.status_code == 200, path
        body = answer.content.decode()
        assert "A gateway with this MAC is registered already." in body, path
        assert MARK not in body
    assert not Gateway.objects.filter(code="NEW").exists()


def test_it_chooses_and_sees_members_alone(bravo: Site, connection: Connection) -> None:  # noqa: F811
    client = log_in(bravo.account_id, name="alfa")
    other = get_user_model().objects.create_user(WHO, email="secret@person.example")
    rule = {
        "account": bravo.account_id, "kind": "above", "limit": 1, "delay_minutes": 0, "margin": 0,
        "clear_minutes": 0, "name": "Theirs", "is_active": "on", "recipients": [other.pk],
    }  # fmt: skip
    member = {"account": bravo.account_id, "user": other.pk, "role": "owner"}
    for path, sent in (("alarmrule/add/", rule), ("membership/add/", member)):
        assert WHO not in client.post(f"{ADMIN}/{path}", sent).content.decode(), path
    assert WHO not in client.get(f"{ADMIN}/apitoken/?user__id__exact={other.pk}").content.decode()
    assert not AlarmRule.objects.filter(name="Theirs").exists()
    assert not Membership.objects.filter(user=other).exists()


def test_no_form_of_the_admin_offers_other_users(
    bravo: Site,  # noqa: F811
    connection: Connection,
    rf: Any,
) -> None:
    log_in(bravo.account_id, name="alfa")
    User.objects.create_user(WHO)
    request = rf.get("/admin/")
    request.user = User.objects.get(username="alfa")
    request.given_account = Account.objects.get(pk=bravo.account_id)
    seen = 0
    open_account(bravo.account_id)
    for model_admin in admin.site._registry.values():
        may = model_admin.has_add_permission(request), model_admin.has_change_permission(request)
        if not any(may):
            continue
        forms = [model_admin.get_form(request)]
        forms += [
            one.get_formset(request).form for one in model_admin.get_inline_instances(request)
        ]
        for form in forms:
            for name, field in form.base_fields.items():
                if isinstance(field, ModelChoiceField) and field.queryset.model is User:
                    seen += 1
                    names = {user.username for user in field.queryset.all()}
                    assert WHO not in names, f"{model_admin} {name}: use OwnUsersMixin"
    open_every_account()
    assert seen >= 3


def test_it_answers_a_nul_with_what_is_wrong(bravo: Site, connection: Connection) -> None:  # noqa: F811
    client = log_in(bravo.account_id, name="alfa")
    DeadLetter.objects.filter(account=bravo.account_id).update(
        state="pending", reason="unknown_device", mac=OWN_MAC
    )
    group = DeadLetterGroup.objects.filter(account=bravo.account_id).first()
    assert group is not None
    DeadLetterGroup.objects.filter(pk=group.pk).update(reason="unknown_device", mac=OWN_MAC)
    page = f"{ADMIN}/deadlettergroup/{group.pk}/open/"
    assert client.post(page, {"discard": "yes", "note": "a\0b"}).status_code == 400
    for address in (
        f"{ADMIN}/device/?group=%00", f"{ADMIN}/device/?unit=%00", f"{ADMIN}/gateway/?q=%00",
        "/admin/autocomplete/?app_label=telemetry&model_name=device&field_name=gateway&term=%00",
    ):  # fmt: skip
        assert client.get(address).status_code == 400, address
    nines = quote("9" * 30)
    for address in (f"?account={nines}", f"telemetry/gateway/?account__id__exact={nines}"):
        assert client.get(f"/admin/{address}").status_code in (200, 302), address


def test_it_sends_no_edited_message_into_the_time_of_another_account(
    bravo: Site,  # noqa: F811
    connection: Connection,
) -> None:
    client = log_in(bravo.account_id, name="alfa")
    gateway = Gateway.objects.get(pk=bravo.gateway_id)
    DeadLetter.objects.filter(account=bravo.account_id).update(
        state="pending", gateway=gateway, mac=gateway.mac
    )
    row = DeadLetter.objects.filter(account=bravo.account_id)[:1].get()
    gateway.account = Account.objects.get(name=MARK)
    gateway.save()
    at = datetime.now(UTC) + timedelta(minutes=1)
    payload = (
        f'{{"gateway_mac": "{gateway.mac}", "timestamp": "{at.isoformat()}", "leituras": '
        '[{"dispositivo_codigo": "D", "valor": 1, "unidade": ""}]}'
    )
    page = f"{ADMIN}/deadletter/{row.pk}/edit/"
    answer = client.post(page, {"replay": "yes", "payload": payload}, follow=True)
    assert "At its time the gateway is another account" in answer.content.decode()
    row.refresh_from_db()
    assert row.state == "pending"
