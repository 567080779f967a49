"""The commands that operators use, on a real database and Redis."""

import json
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from telemetry.core.batch import COUNTERS_KEY
from telemetry.models import Account, ClosedMonth, DeadLetter, Device, Gateway
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import Connection
from tests.conftest import CONTRACT
from tests.integration.store.ingest import store
from tests.messages import make_message

pytestmark = pytest.mark.integration


def call(name: str, *arguments: str, **options: Any) -> str:
    """What a command prints."""
    output = StringIO()
    call_command(name, *arguments, stdout=output, **options)
    return output.getvalue()


def test_it_changes_nothing_when_the_same_fleet_is_loaded_again(
    environ: dict[str, str], connection: Connection, fleet: None
) -> None:
    before = list(Gateway.objects.values()), list(Device.objects.values())
    printed = call("load_fleet", str(CONTRACT / "fleet.json"))
    assert (list(Gateway.objects.values()), list(Device.objects.values())) == before
    assert "0 created, 0 updated" in printed


def test_it_updates_what_the_file_changes_and_leaves_the_rest(
    environ: dict[str, str], connection: Connection, fleet: None, tmp_path: Path
) -> None:
    [name, mac] = Gateway.objects.values_list("account__name", "mac").get(mac="aa:bb:cc:dd:ee:ff")
    changed = {
        "gateways": [{"account": name, "code": "GW-NEW", "mac": mac.upper().replace(":", "-")}]
    }
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(changed), encoding="utf-8")
    devices = Device.objects.count()
    call("load_fleet", str(file), dry_run=True)
    assert Gateway.objects.get(mac=mac).code != "GW-NEW"
    call("load_fleet", str(file))
    assert Gateway.objects.get(mac=mac.replace(":", "").upper()).code == "GW-NEW"
    assert Device.objects.count() == devices


def test_it_loads_what_consumption_depends_on_and_leaves_it_when_it_is_not_named(
    environ: dict[str, str], connection: Connection, fleet: None, tmp_path: Path
) -> None:
    file = tmp_path / "fleet.json"
    account = {"name": "Second Account", "time_zone": "Europe/Lisbon"}
    device = {"code": "D01", "kind": "meter", "measurement": "cumulative"}
    gateway = {"account": "Second Account", "code": "G", "mac": "11:22:33:44:55:66"}

    def load(more_of_account: dict[str, Any], more_of_device: dict[str, Any]) -> tuple[Any, ...]:
        devices = [{**device, **more_of_device}]
        text = {
            "accounts": [{**account, **more_of_account}],
            "gateways": [{**gateway, "devices": devices}],
        }
        file.write_text(json.dumps(text), encoding="utf-8")
        call("load_fleet", str(file))
        found = Device.objects.select_related("account").get(gateway__mac=gateway["mac"])
        return found.account.billing_day, found.register_modulus, found.interval_s

    assert load({}, {}) == (1, None, None)
    named = load({"billing_day": 15}, {"register_modulus": "100000", "interval_s": 900})
    assert named == (15, 100_000, 900)
    assert load({}, {}) == named
    assert load({}, {"register_modulus": None, "interval_s": None}) == (15, None, None)
    ClosedMonth.objects.create(
        account=Account.objects.get(name="Second Account"), month=date(2026, 1, 15)
    )
    load({"time_zone": "Asia/Kolkata"}, {})
    changed = Account.objects.get(name="Second Account")
    assert changed.zones == "Asia/Kolkata 2026-02-15=Europe/Lisbon", (
        "the closed month keeps its zone"
    )


@pytest.mark.parametrize(
    ("fleet_file", "words"),
    [
        ('{"accounts": [{"name": "A", "billing_day": 32}]}', "accounts[0].billing_day"),
        (
            '{"accounts": [{"name": "A"}], "gateways": [{"account": "A", "code": "G", '
            '"mac": "aa:bb:cc:dd:ee:99", "devices": [{"code": "D", "kind": "meter", '
            '"measurement": "cumulative", "register_modulus": -1}]}]}',
            "register_modulus is -1: expected more than 0",
        ),
        ("{", "truncated"),
        ('{"gateways": [{"account": "A", "code": "G", "mac": "zz"}]}', "gateways[0].mac"),
        ('{"accounts": [{"name": "A", "time_zone": "Mars/Base"}]}', "accounts[0].time_zone"),
        (
            '{"gateways": [{"account": "none", "code": "G", "mac": "00:00:00:00:00:01"}]}',
            "no account is named 'none'",
        ),
        ('{"accounts": [{"name": "A", "colour": "red"}]}', "colour"),
    ],
    ids=[
        "no such billing day",
        "modulus below 0",
        "cut off",
        "no MAC",
        "no such time zone",
        "no such account",
        "unknown field",
    ],
)
def test_it_names_the_place_and_changes_nothing_when_the_file_is_wrong(
    environ: dict[str, str], connection: Connection, tmp_path: Path, fleet_file: str, words: str
) -> None:
    file = tmp_path / "fleet.json"
    file.write_text(fleet_file, encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        call("load_fleet", str(file))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.returncode == 2
    assert not Account.objects.exists()


def test_it_creates_the_administrator_once_and_follows_the_password(
    environ: dict[str, str], connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    with pytest.raises(CommandError, match="ADMIN_PASSWORD is not set"):
        call("ensure_admin", username="root")
    for password in ("first pass phrase", "second pass phrase", "second pass phrase"):
        monkeypatch.setenv("ADMIN_PASSWORD", password)
        call("ensure_admin", username="root")
        user = get_user_model().objects.get()
        assert user.check_password(password)
        assert user.is_superuser


def test_it_sends_only_the_chosen_dead_letters_again(
    queue: BatchQueue, connection: Connection, fleet: None
) -> None:
    store(connection, make_message(code="X"), make_message(valor="no"))
    assert "1 dead letters would be sent" in call(
        "replay_dead_letters", reason="unknown_device", dry_run=True
    )
    assert queue.snapshot().pending == []
    with pytest.raises(CommandError, match="nothing is chosen"):
        call("replay_dead_letters")
    call("replay_dead_letters", reason="unknown_device")
    [batch] = queue.snapshot().pending
    assert batch.messages_count == 1
    states = dict(DeadLetter.objects.values_list("reason", "state"))
    assert states == {"unknown_device": "replayed", "bad_value": "pending"}


@pytest.mark.parametrize("mac", ["AA-BB-CC-DD-EE-FF", "aabbccddeeff", "Aa:Bb:Cc:Dd:Ee:Ff"])
def test_it_chooses_dead_letters_by_a_mac_in_every_form(
    queue: BatchQueue, connection: Connection, fleet: None, mac: str
) -> None:
    store(connection, make_message(code="X"))
    told = call("replay_dead_letters", "--gateway", mac, "--dry-run")
    assert told.startswith("1 dead letters")
    told = call("replay_dead_letters", "--gateway", "00-00-00-00-00-00", "--dry-run")
    assert told.startswith("0 dead letters")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gateway", "", "--reason", "bad_value"], "--gateway: '': expected a MAC like"),
        (["--gateway", "aabbcc"], "--gateway: 'aabbcc': expected a MAC like"),
        (["--all", "--limit", "0"], "--limit: '0': expected a whole number, 1 or more"),
        (["--all", "--limit", "-1"], "--limit: '-1': expected a whole number, 1 or more"),
        (["--since", "2026-11-30T08:00:00"], "expected an instant with its offset, like 2026"),
        (["--until", "yesterday"], "'yesterday': expected an instant with its offset, like 2026"),
        (["--since", ""], "'': expected an instant with its offset"),
    ],
)
def test_it_sends_no_dead_letter_when_a_choice_cannot_be_read(
    queue: BatchQueue, connection: Connection, fleet: None, arguments: list[str], words: str
) -> None:
    store(connection, make_message(valor="no"))
    with pytest.raises(CommandError) as caught:
        call("replay_dead_letters", *arguments)
    assert words in str(caught.value)
    assert queue.snapshot().pending == []


def test_it_exits_with_2_when_the_database_fails_the_delivery_report(
    queue: BatchQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise psycopg.errors.QueryCanceled("canceled: statement timeout\nCONTEXT: more")

    monkeypatch.setattr("telemetry.management.commands.delivery_report.read_report", fail)
    output = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("delivery_report", stderr=output)
    assert caught.value.code == 2
    [line] = output.getvalue().splitlines()
    assert "canceled: statement timeout" in line


def test_it_reports_a_difference_when_the_ledger_lacks_a_message(
    queue: BatchQueue, connection: Connection, fleet: None
) -> None:
    balanced = json.loads(call("delivery_report", json=True))
    assert balanced["difference"] == 0
    queue.redis.hincrby(COUNTERS_KEY, "received_messages", 1)
    with pytest.raises(SystemExit) as caught:
        call("delivery_report", json=True)
    assert caught.value.code == 1


def test_it_says_what_is_missing_when_no_process_runs(
    queue: BatchQueue, connection: Connection
) -> None:
    output = StringIO()
    with pytest.raises(SystemExit) as caught:
        # A test before this one may have restarted Redis: the first ask meets a closed connection.
        call_command("pipeline_status", stdout=output, wait=2)
    assert caught.value.code == 1
    printed = output.getvalue()
    assert "problem:" in printed
    assert "bridge" in printed
    assert "beat" in printed
