"""Who changed what, from what to what, in one list, whichever page it was."""

from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection as django_connection
from django.db.utils import ProgrammingError
from django.test import Client
from django.utils.translation import override

from telemetry.changes.texts import list_fields, name_action
from telemetry.models import AlarmRule, Device, Gateway, User
from telemetry.store.db.connection import Connection

pytestmark = pytest.mark.integration

CHANGES = "/admin/auditlog/logentry/"
MAC = "aa:bb:cc:dd:ee:ff"


def test_it_lists_who_changed_what_from_what_to_what(
    environ: dict[str, str], connection: Connection, fleet: None
) -> None:
    admin = get_user_model().objects.create_user(
        "root", is_staff=True, is_superuser=True, first_name="Marta", last_name="Lima"
    )
    client = Client()
    client.force_login(admin)
    device = Device.objects.get(code="D01", gateway__mac=MAC)
    page = f"/admin/telemetry/device/{device.pk}/change/"
    form = client.get(page).context["adminform"].form
    filled: dict[str, Any] = {
        name: value for name in form.fields if (value := form[name].value()) is not None
    }
    assert client.post(page, {**filled, "alarm_high": "85"}).status_code == 302
    assert client.post(page, {**filled, "alarm_high": "90"}).status_code == 302
    entry = LogEntry.objects.latest("timestamp")
    assert [(one.name, one.before, one.after) for one in list_fields(entry)] == [
        ("alarm above", "85.0000", "90")
    ]
    listed = client.get(CHANGES, {"q": "D01", "kind": "device"}).content.decode()
    for text in ("Marta Lima", "alarm above: 85.0000 → <b>90</b>", "D01"):
        assert text in listed, text
    home = client.get("/admin/").content.decode()
    assert "85.0000 → <b>90</b>" in home
    assert client.get(f"{CHANGES}{entry.pk}/change/").status_code == 200

    before = LogEntry.objects.count()
    Gateway.objects.get(mac=MAC).save()
    admin.set_password("a long pass phrase 1")
    admin.save()
    assert LogEntry.objects.count() == before  # nothing that is told changed
    made = User.objects.create_user("new")
    entry_of_new = LogEntry.objects.get(object_pk=str(made.pk), action=LogEntry.Action.CREATE)
    names = {one.name for one in list_fields(entry_of_new)}
    assert "username" in names
    assert not names & {"sessions", "memberships", "password"}
    rule = AlarmRule.objects.create(account=device.account, kind="above", limit=1)
    rule.recipients.add(admin)
    added = LogEntry.objects.latest("timestamp")
    assert [(one.name, one.before) for one in list_fields(added)] == [("e-mail to", "–")]
    assert not LogEntry.objects.filter(changes__icontains="pbkdf2").exists()
    assert not any("password" in (entry.changes_dict or {}) for entry in LogEntry.objects.all())

    User.objects.filter(pk=admin.pk).delete()
    assert LogEntry.objects.get(pk=entry.pk).actor is None
    with pytest.raises(ProgrammingError), django_connection.cursor() as cursor:
        cursor.execute("DELETE FROM auditlog_logentry")


def test_it_tells_changes_in_the_readers_language(
    environ: dict[str, str], connection: Connection, fleet: None
) -> None:
    gateway = Gateway.objects.get(mac=MAC)
    gateway.is_active = False
    gateway.save()
    entry = LogEntry.objects.latest("timestamp")
    new = Gateway.objects.create(account=gateway.account, code="new", mac="02:00:00:00:00:01")
    made = LogEntry.objects.get(object_pk=str(new.pk), action=LogEntry.Action.CREATE)
    with override("pt-br"):
        [active] = list_fields(entry)
        assert (active.name, active.before, active.after) == ("ativo", "Sim", "Não")
        assert name_action(made) == "criado"
