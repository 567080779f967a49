"""The examples of the documentation, run as they are shown, against a server."""

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import date
from html import unescape
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.test import Client
from django.utils import timezone

from telemetry.accounts.tokens import issue_token
from telemetry.alarms.payload import make_payload
from telemetry.alarms.webhook import sign
from telemetry.models import Account, Alarm, AlarmDelivery, AlarmRule, DayNote, Device, User
from telemetry.store.db.connection import Connection
from tests.integration.api.conftest import ALL_SCOPES, Get, call_with, make_user

pytestmark = pytest.mark.integration


class Quiet(WSGIRequestHandler):
    """Writes no log."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def host(stocked: Connection) -> Iterator[str]:
    """The address of a server in this process."""
    with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet) as server:

        def serve() -> None:
            server.serve_forever(0.02)
            connections.close_all()  # those of this thread

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def examples(host: str) -> dict[str, str]:
    """As the page shows them."""
    page = Client().get("/api/v1/docs", headers={"host": host.removeprefix("http://")})
    shown = re.findall(
        r'data-example="([\w.]+)"[^>]*>(.*?)</pre>', page.content.decode(), re.DOTALL
    )
    return {name: unescape(text) for name, text in shown}


@pytest.fixture(scope="module")
def token(member: User) -> str:
    return issue_token(member, name="x", scopes=["read", "export"])[1]


def test_it_runs_the_commands(examples: dict[str, str], own: Account, token: str) -> None:
    done = subprocess.run(
        ["sh", "-eu", "-c", examples["days.sh"].replace("curl ", "curl --fail ")],
        env={"PATH": os.environ["PATH"], "TOKEN": token, "ACCOUNT": str(own.pk)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert own.name in done.stdout
    assert '"devices_count"' in done.stdout
    assert "2026-09-01T12:00:00Z" in done.stdout


def test_it_enters_bands_and_holidays(examples: dict[str, str], own: Account) -> None:
    _, text = issue_token(make_user(admin=own), name="x", scopes=ALL_SCOPES)
    subprocess.run(
        ["sh", "-eu", "-c", examples["bands.sh"].replace("curl ", "curl --fail ")],
        env={"PATH": os.environ["PATH"], "TOKEN": text, "ACCOUNT": str(own.pk)},
        capture_output=True, check=True,
    )  # fmt: skip
    assert [str(one) for one in own.band_periods.all()] == ["Ponta 17:30-20:30"]
    assert [str(one) for one in own.holidays.all()] == ["2026-11-02 Finados"]


def test_it_runs_the_client_over_all_pages(
    examples: dict[str, str], own: Account, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = examples["client.py"]
    assert code.strip().count("\n") <= 32
    monkeypatch.setenv("TOKEN", token)
    monkeypatch.setattr(sys, "argv", ["client.py", str(own.pk), "2026-09-01", "2026-09-05"])
    paged = code.replace("urlencode(parameters)", "urlencode({'limit': 1, **parameters})")
    for shown in (code, paged):
        written = io.StringIO()
        with redirect_stdout(written):
            exec(compile(shown, "client.py", "exec"), {"__name__": "__main__"})
        lines = written.getvalue().splitlines()
        assert len(lines) == len(set(lines)) == 7, lines
    monkeypatch.setattr(sys, "argv", ["client.py", "0", "2026-09-01", "2026-09-05"])
    with pytest.raises(SystemExit, match=r"."):
        exec(compile(code, "client.py", "exec"), {"__name__": "__main__"})


def test_it_asks_what_grafana_would(examples: dict[str, str], own: Account, token: str) -> None:
    import yaml

    query = json.loads(examples["grafana.json"].replace("$ACCOUNT", str(own.pk)))
    source = yaml.safe_load(examples["grafana.yaml"])["datasources"][0]
    assert query["url"].startswith(source["url"])
    days = {"first": "2026-09-01", "until": "2026-09-05"}
    assert [one["key"] for one in query["url_options"]["params"]] == list(days)
    answer = call_with(token).get(query["url"].removeprefix(source["url"]), days).json()
    items = answer[query["root_selector"]]
    assert items
    for column in query["columns"]:
        values = [item[column["selector"]] for item in items]
        readers: dict[str, Any] = {"timestamp": date.fromisoformat, "number": float, "string": str}
        assert [readers[column["type"]](value) for value in values]


def test_it_knows_a_call_of_a_webhook_and_its_form(examples: dict[str, str], own: Account) -> None:
    known: dict[str, Any] = {}
    exec(compile(examples["webhook.py"], "webhook.py", "exec"), known)
    rule = AlarmRule.objects.create(account=own, kind="above", limit=1)
    alarm = Alarm.objects.filter(account=own)[0]
    delivery = AlarmDelivery.objects.create(
        account=own, rule=rule, event="raised", alarm_ids=[alarm.pk], due_at=timezone.now()
    )
    body, now = make_payload(delivery), int(time.time())
    headers = {"X-Telemetry-Timestamp": str(now),
        "X-Telemetry-Signature": sign(body, secret="s", timestamp=now)}  # fmt: skip
    assert known["is_ours"](headers, body, "s")
    assert not known["is_ours"](headers, body + b" ", "s")
    assert not known["is_ours"](headers, body, "t")
    late = {"X-Telemetry-Timestamp": str(now - 600),
        "X-Telemetry-Signature": sign(body, secret="s", timestamp=now - 600)}  # fmt: skip
    assert not known["is_ours"](late, body, "s")
    shown, sent = json.loads(examples["payload.json"]), json.loads(body)
    assert shown.keys() == sent.keys()
    assert shown["alarms"][0].keys() == sent["alarms"][0].keys()


def test_it_gives_groups_reports_notes_and_rules(get: Get, own: Account) -> None:
    device = Device.objects.get(account=own, gateway__mac="aa:bb:cc:dd:ee:ff", code="D01")
    Device.objects.filter(pk=device.pk).update(group="Hall 3")
    DayNote.objects.create(account=own, device=device, day="2026-09-02", text="holiday")
    assert [one["id"] for one in get("/devices", group="Hall 3").json()["items"]] == [device.pk]
    lines = get("/report", by="kind", first="2026-09-01", until="2026-10-01").json()["items"]
    assert {(one["month"], one["key"], one["state"]) for one in lines} == {
        ("2026-09-01", "meter", "closed")
    }
    [note] = get("/notes", device_id=device.pk).json()["items"]
    assert (note["day"], note["text"], note["created_by"]) == ("2026-09-02", "holiday", None)
    AlarmRule.objects.create(account=own, kind="day", device=device, limit="12.5")
    admin = call_with(issue_token(make_user(admin=own), name="x", scopes=ALL_SCOPES)[1])
    rules = admin.get(f"/api/v1/accounts/{own.pk}/alarm-rules").json()["items"]
    assert ("day", "12.5") in [(one["kind"], one["limit"]) for one in rules]
