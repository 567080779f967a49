"""Alarms that reach people: rules, from the page to a mail server and a webhook that are real."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from config.mail import make_mail_settings
from telemetry.alarms.acknowledging import acknowledge
from telemetry.alarms.deliver import MOST_TRIES, Delivered, deliver_alarms
from telemetry.alarms.rules import Evaluated, evaluate_rules, reset_rule
from telemetry.core.alarm_rules import Level, Sample
from telemetry.core.consumption import Meter, Value
from telemetry.models import (
    Account,
    Alarm,
    AlarmDelivery,
    AlarmRule,
    AlarmWatch,
    Device,
    Finding,
    Membership,
    User,
    Webhook,
)
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.alarms.samples import Subject
from telemetry.store.db.connection import Connection
from telemetry.store.operations.housekeeping import purge_alarm_deliveries
from tests.consumption import put, register
from tests.integration.web.mails import SITE
from tests.integration.web.site import add_reading, make_account, make_device, make_gateway
from tests.servers.sinks import HttpSink, MailSink, serve

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = timedelta(days=1)


@pytest.fixture(scope="module")
def sinks() -> Iterator[tuple[MailSink, HttpSink]]:
    mail, http = MailSink(), HttpSink()
    with serve(mail), serve(http):
        yield mail, http


@pytest.fixture
def site(sinks: tuple[MailSink, HttpSink], settings: Any) -> tuple[MailSink, HttpSink]:
    """A site whose e-mails and webhooks go to the sinks."""
    mail, http = sinks
    mail.received.clear()
    http.received.clear()
    http.statuses.clear()
    options = settings.OPTIONS
    mail_options = replace(options.mail, url=mail.url, site_url=SITE)
    networks = replace(options.alarms, webhook_networks=("127.0.0.0/8",))
    settings.OPTIONS = replace(options, mail=mail_options, alarms=networks)
    for name, value in make_mail_settings(mail_options).items():
        setattr(settings, name, value)
    return sinks


@pytest.fixture
def account(connection: Connection) -> Account:
    return make_account("Alpha", time_zone="America/Sao_Paulo")


@pytest.fixture
def device(account: Account) -> Device:
    return make_device(make_gateway(account, last_seen=NOW), "T-03", name="Boiler", unit="C")


@pytest.fixture
def ana(account: Account) -> User:
    """An admin of the account."""
    return add_member(account, "ana")


def add_member(account: Account, name: str, role: str = "admin") -> User:
    user = User.objects.create_user(name, email=f"{name}@example.com", language="en")
    Membership.objects.create(user=user, account=account, role=role)
    return user


def make_rule(account: Account | None, kind: str, *people: User, **fields: Any) -> AlarmRule:
    rule = AlarmRule.objects.create(account=account, kind=kind, **fields)
    rule.recipients.set(people)
    return rule


def no_system(_rule: Any, _now: Any) -> Any:
    return {}


def evaluate(at_minutes: float = 0, *, read_system: Any = no_system) -> Evaluated:
    done = evaluate_rules(now=NOW + at_minutes * MINUTE, read_system=read_system)
    assert done.problems == []
    return done


def deliver(at_minutes: float = 0) -> Delivered:
    return deliver_alarms(now=NOW + at_minutes * MINUTE)


def send(connection: Connection, device: Device, *found: tuple[float, Any]) -> None:
    """Store readings, so many minutes after NOW."""
    for minutes, value in found:
        add_reading(connection, device, at=NOW + minutes * MINUTE, value=value, unit="C")


def list_alarms(rule: AlarmRule) -> list[Any]:
    """(opened, closed, value, ending), in minutes after NOW."""

    def minutes(at: datetime | None) -> float | None:
        return None if at is None else (at - NOW) / MINUTE

    rows = Alarm.objects.filter(rule=rule).order_by("opened_at", "pk")
    return [
        (minutes(row.opened_at), minutes(row.closed_at), row.value and float(row.value), row.ending)
        for row in rows
    ]


def list_events() -> list[tuple[str, str]]:
    rows = AlarmDelivery.objects.order_by("pk").select_related("user", "webhook")
    return [(row.event, row.user.username if row.user else "webhook") for row in rows]


def test_it_goes_from_a_rule_on_the_page_to_an_email_and_a_signed_webhook(
    site: tuple[MailSink, HttpSink], connection: Connection, account: Account, device: Device,
    ana: User,
) -> None:  # fmt: skip
    mail, http = site
    client = Client()
    client.force_login(ana)
    page = reverse("alarm-rules", args=[account.pk])
    shown = client.post(reverse("add-webhook", args=[account.pk]), {"name": "H", "url": http.url})
    webhook = Webhook.objects.get()
    assert webhook.secret in shown.content.decode()
    assert webhook.secret not in client.get(page).content.decode(), "it is shown once"
    filled = {
        "kind": "above", "limit": "80", "margin": "2", "device": device.pk, "delay_minutes": "0",
        "clear_minutes": "10", "recipients": [ana.pk], "webhook": webhook.pk,
    }  # fmt: skip
    assert client.post(page, filled).status_code == 302
    rule = AlarmRule.objects.get()
    assert "reading above 80\u00a0C" in client.get(page).content.decode()

    send(connection, device, (-5, 79), (-1, 85.5))
    assert evaluate().raised == 1
    assert evaluate(1).raised == 0, "raised once"
    assert deliver(1).sent == 2
    [email] = mail.received
    assert email["To"] == "ana@example.com"
    assert email["Subject"] == "[Alpha] Alarm: T-03 Boiler (GW1): reading above"
    text = email.get_content()
    alarm = Alarm.objects.get()
    for evidence in (
        "reading above 80\u00a0C: 85.5\u00a0C", "2026-11-20 08:59:00 -03 (America/Sao_Paulo)",
        f"{SITE}/accounts/{account.pk}/alarms/#alarm-{alarm.pk}",
    ):  # fmt: skip
        assert evidence in text, text
    [posted] = http.received
    assert posted.path == "/hook?a=b"
    body = json.loads(posted.body)
    assert (body["event"], body["alarms_count"]) == ("raised", 1)
    [told] = body["alarms"]
    assert (told["value"], told["limit"], told["unit"]) == ("85.5", "80", "C")
    assert (told["device"]["code"], told["opened_at"]) == ("T-03", "2026-11-20T11:59:00+00:00")
    signed = f"{posted.headers['X-Telemetry-Timestamp']}.".encode() + posted.body
    expected = hmac.new(webhook.secret.encode(), signed, hashlib.sha256).hexdigest()
    assert posted.headers["X-Telemetry-Signature"] == f"sha256={expected}"

    send(connection, device, (2, 70))
    assert evaluate(3).cleared == 0, "not before it has held for ten minutes"
    assert evaluate(12).cleared == 1
    assert list_alarms(rule) == [(-1, 2, 85.5, "cleared")]
    assert deliver(12).sent == 2
    assert mail.received[1]["Subject"].startswith("[Alpha] Alarm over: T-03")
    assert json.loads(http.received[1].body)["event"] == "cleared"
    assert deliver(13) == Delivered()
    listed = client.get(reverse("alarms", args=[account.pk])).content.decode()
    assert "condition ended" in listed


def test_it_makes_one_alarm_of_a_device_that_toggles(
    site: Any, connection: Connection, account: Account, device: Device, ana: User
) -> None:
    rule = make_rule(account, "above", ana, limit=80, clear_minutes=10)
    send(connection, device, (-1, 70))
    evaluate(-0.5)
    for minute in range(0, 60, 6):
        send(connection, device, (minute, 90), (minute + 2, 70), (minute + 4, 70))
        evaluate(minute + 5)
        deliver(minute + 5)
    assert list_alarms(rule) == [(0, None, 90, "")]
    assert list_events() == [("raised", "ana")]
    evaluate(75)
    assert list_alarms(rule) == [(0, 56, 90, "cleared")]
    assert list_events() == [("raised", "ana"), ("cleared", "ana")]


@pytest.mark.parametrize(
    ("kind", "fields", "readings", "expected"),
    [
        pytest.param("above", {"delay_minutes": 5}, [(0, 90), (3, 70), (4, 90)], [], id="short"),
        pytest.param(
            "above", {"delay_minutes": 5}, [(-9, 90)], [(-9, None, 90, "")], id="it held for long"
        ),
        pytest.param(
            "above", {"margin": 5, "clear_minutes": 0}, [(0, 90), (1, 78), (2, 81)],
            [(0, None, 90, "")], id="within the margin",
        ),
        pytest.param(
            "above", {"clear_minutes": 0}, [(0, 79), (1, 95), (2, 79), (3, 85)],
            [(1, 2, 95, "cleared"), (3, None, 85, "")], id="spikes between two runs",
        ),
        pytest.param("below", {}, [(0, 80), (1, 12), (2, 3)], [(1, None, 3, "")], id="below"),
        pytest.param("jump", {}, [(0, 500), (1, 490), (2, 100)], [(2, None, 390, "")], id="jump"),
    ],
)  # fmt: skip
def test_it_evaluates_readings(
    connection: Connection, account: Account, device: Device, kind: str, fields: Any,
    readings: Any, expected: Any,
) -> None:  # fmt: skip
    rule = make_rule(account, kind, limit=80, **fields)
    send(connection, device, (-10, 79 if kind == "above" else 500))
    evaluate(-9.5)
    send(connection, device, *readings)
    evaluate(5)
    assert list_alarms(rule) == expected


def add_day(device: Device, connection: Connection, table: str, **fields: Any) -> None:
    row = {
        "device_id": device.pk, "account_id": device.account_id, "reading_sum": 1,
        "readings_count": 1, "intervals_seen": 1, **fields,
    }  # fmt: skip
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks})",  # type: ignore[arg-type]
        list(row.values()),
    )


def test_it_watches_consumption_silence_gateways_and_findings(
    connection: Connection, account: Account, device: Device
) -> None:
    quiet = make_device(device.gateway, "Q")
    kinds = ("day", "month", "no_data", "offline", "finding", "device_limits")
    rules = {kind: make_rule(account, kind, clear_minutes=0, limit=30) for kind in kinds}
    send(connection, device, (-1, 1))
    add_reading(connection, quiet, at=NOW - 40 * MINUTE)
    add_day(device, connection, "daily_aggregate", day="2026-11-20", total=31)
    add_day(quiet, connection, "daily_aggregate", day="2026-11-20", total=30)
    add_day(device, connection, "monthly_total", month="2026-11-01", total=45)
    type(device.gateway).objects.update(is_online=False, last_seen=NOW - 7 * MINUTE)
    Finding.objects.create(account=account, device=quiet, rule="stuck", since=NOW, found_at=NOW)
    Alarm.objects.create(
        account=account, device=device, kind="high", limit=10, value=12, opened_at=NOW - MINUTE,
        last_beyond_at=NOW,
    )  # fmt: skip
    assert evaluate().raised == 6
    told = {kind: list_alarms(rule) for kind, rule in rules.items()}
    assert told == {
        "day": [(0, None, 31, "")], "month": [(0, None, 45, "")],
        "no_data": [(-40, None, None, "")], "offline": [(-7, None, None, "")],
        "finding": [(0, None, 1, "")], "device_limits": [(-1, None, 12, "")],
    }  # fmt: skip
    details = dict(Alarm.objects.exclude(rule=None).values_list("kind", "detail"))
    assert (details["finding"], details["device_limits"]) == ("stuck", "> 10")
    assert Alarm.objects.get(kind="offline").gateway_id == device.gateway_id

    send(connection, quiet, (1, 5))
    connection.execute("DELETE FROM daily_aggregate")
    connection.execute("DELETE FROM monthly_total")
    type(device.gateway).objects.update(is_online=True)
    Finding.objects.update(state="accepted")
    Alarm.objects.filter(rule=None).update(closed_at=NOW)
    assert evaluate(2).cleared == 6
    assert not AlarmWatch.objects.exclude(evaluated_until=None).exists()


def test_it_finds_what_flows_all_night(connection: Connection) -> None:
    meter = register(connection, Meter("cumulative"), zone="America/Sao_Paulo")
    resting = register(connection, Meter("cumulative"), beside=meter)
    account = Account.objects.get(pk=meter.account_id)
    rule = make_rule(account, "night", limit=2)
    night = datetime(2026, 11, 20, 5, tzinfo=UTC)  # 02:00 in Sao Paulo
    for hour in range(-1, 5):
        at = night + timedelta(hours=hour, minutes=30)
        put(connection, [(meter, Value(at, Decimal(100 + 3 * hour)))])
        put(connection, [(resting, Value(at, Decimal(100 + 3 * (hour > 1))))])
    refresh_aggregates(connection)
    evaluate()
    assert list_alarms(rule) == [(0, None, 3, "")]
    assert Alarm.objects.get().device_id == meter.device_id


def test_it_tells_in_the_morning_what_began_and_ended_in_quiet_hours(
    site: tuple[MailSink, HttpSink], connection: Connection, account: Account, device: Device,
    ana: User,
) -> None:  # fmt: skip
    mail, _ = site
    hours = {"quiet_from": time(8), "quiet_until": time(10)}  # in Sao Paulo: 11:00 to 13:00 UTC
    make_rule(account, "above", ana, limit=80, clear_minutes=0, **hours)
    send(connection, device, (0, 90), (5, 70))
    evaluate(1)
    evaluate(6)
    assert list_events() == [("raised", "ana")], "one e-mail says both"
    assert deliver(59).sent == 0
    assert deliver(60).sent == 1
    text = mail.received[0].get_content()
    assert "Since: 2026-11-20 09:00:00 -03" in text
    assert "Until: 2026-11-20 09:05:00 -03" in text


def test_it_escalates_what_nobody_acknowledged(
    site: tuple[MailSink, HttpSink], connection: Connection, account: Account, device: Device,
    ana: User,
) -> None:  # fmt: skip
    mail, _ = site
    other = make_device(device.gateway, "T-04")
    rule = make_rule(account, "above", ana, limit=80, escalate_minutes=15)
    stranger = User.objects.create_user("x", email="x@example.com")
    rule.escalate_to.set([add_member(account, "boss"), stranger])
    send(connection, device, (0, 90))
    send(connection, other, (0, 91))
    evaluate(1)
    acknowledge(Alarm.objects.get(device=other), user=ana, note="")
    deliver(2)
    assert evaluate(16).escalated == 0, "counted from when somebody was told"
    assert evaluate(17).escalated == 1
    assert evaluate(30).escalated == 0
    deliver(30)
    told = [(email["To"], email["Subject"]) for email in mail.received]
    assert told == [
        ("ana@example.com", "[Alpha] Alarm: reading above (2 alarms)"),
        ("boss@example.com",
         "[Alpha] Alarm that nobody has acknowledged: T-03 Boiler (GW1): reading above"),
    ]  # fmt: skip


def test_it_takes_nothing_of_another_account(connection: Connection) -> None:
    """Administrators choose among all: a slip would tell one account of another's readings."""
    own, foreign = make_account("Own"), make_account("Foreign")
    device = make_device(make_gateway(foreign))
    hook = Webhook.objects.create(account=foreign, name="H", url="https://x.example", secret="s")
    for kind, account, fields in (
        ("above", own, {"device": device}),
        ("offline", own, {"gateway": device.gateway}),
        ("above", own, {"webhook": hook}),
        ("drops", None, {"webhook": hook}),
    ):
        rule = AlarmRule(account=account, kind=kind, limit=1, **fields)
        with pytest.raises(ValidationError, match="another account's"):
            rule.full_clean()
    AlarmRule(account=foreign, kind="above", limit=1, device=device, webhook=hook).full_clean()


def test_it_retries_a_webhook_gives_it_up_and_sends_it_again(
    site: tuple[MailSink, HttpSink], connection: Connection, account: Account, device: Device,
    ana: User,
) -> None:  # fmt: skip
    _, http = site
    webhook = Webhook.objects.create(account=account, name="H", url=http.url, secret="s")
    make_rule(account, "above", limit=80, webhook=webhook)
    send(connection, device, (0, 90))
    evaluate(1)
    http.statuses += [500, *[302] * (MOST_TRIES - 1)]
    waits: list[float] = []
    minute = 1.0
    while not AlarmDelivery.objects.filter(failed_at__isnull=False).exists():
        assert deliver(minute).failed == 1
        delivery = AlarmDelivery.objects.get()
        waits.append((delivery.due_at - NOW) / MINUTE - minute)
        minute += waits[-1]
    assert waits == [0.5, 2, 8, 32, 60, 60, 60, 60]
    assert delivery.error == "127.0.0.1 answered 302; redirects are not followed"
    assert {posted.path for posted in http.received} == {"/hook?a=b"}, "no redirect was followed"
    client = Client()
    client.force_login(ana)
    page = reverse("alarm-rules", args=[account.pk])
    assert "redirects are not followed" in client.get(page).content.decode()
    client.post(reverse("send-alarm-again", args=[account.pk, delivery.pk]))
    assert deliver_alarms(now=datetime.now(UTC) + MINUTE).sent == 1
    assert "Not delivered" not in client.get(page).content.decode()


def test_it_ends_the_alarms_of_what_is_not_watched_any_more(
    connection: Connection, account: Account, device: Device
) -> None:
    rule = make_rule(account, "above", limit=80)
    send(connection, device, (0, 90))
    evaluate(1)
    Device.objects.update(is_active=False)
    evaluate(2)
    Device.objects.update(is_active=True)
    assert list_alarms(rule) == [(0, 2, 90, "inactive")]
    send(connection, device, (3, 95))
    evaluate(4)
    reset_rule(rule, now=NOW + 5 * MINUTE)
    assert list_alarms(rule)[1] == (3, 5, 95, "rule")
    rule.delete()
    assert Alarm.objects.count() == 2, "past alarms stay"


def test_it_tells_nobody_who_left(
    site: tuple[MailSink, HttpSink], connection: Connection, account: Account, device: Device,
    ana: User,
) -> None:  # fmt: skip
    mail, _ = site
    make_rule(account, "above", ana, limit=80)
    send(connection, device, (0, 90))
    evaluate(1)
    Membership.objects.all().delete()
    deliver(2)
    send(connection, device, (3, 70))
    evaluate(20)
    deliver(20)
    assert mail.received == []
    assert list_events() == [("raised", "ana")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"limit": ""}, "This condition needs a limit.", id="no limit"),
        pytest.param({"recipients": []}, "Choose who is told", id="nobody is told"),
        pytest.param({"quiet_from": "22:00"}, "a start and an end", id="half of the quiet hours"),
        pytest.param({"escalate_minutes": "5"}, "somebody to tell", id="escalation to nobody"),
        pytest.param({"kind": "disk"}, "disk is not one of", id="a rule about the system"),
        pytest.param({"recipients": ["foreign"]}, "is not one of", id="no member"),
        pytest.param({"device": "foreign"}, "is not one of", id="a foreign device"),
    ],
)
def test_it_rejects_a_rule_that_makes_no_sense(
    site: Any, account: Account, device: Device, ana: User, change: dict[str, Any], message: str
) -> None:
    other = make_account("Beta")
    foreign = {
        "device": make_device(make_gateway(other, "X")).pk,
        "recipients": [add_member(other, "eve").pk],
    }
    filled: dict[str, Any] = {
        "kind": "above", "limit": "80", "margin": "0", "delay_minutes": "0", "clear_minutes": "10",
        "recipients": [ana.pk], **change,
    }  # fmt: skip
    for name, value in foreign.items():
        if filled.get(name) in ("foreign", ["foreign"]):
            filled[name] = value
    client = Client()
    client.force_login(ana)
    answer = client.post(reverse("alarm-rules", args=[account.pk]), filled)
    assert answer.status_code == 400
    assert re.search(message, answer.content.decode())
    assert not AlarmRule.objects.exists()


def test_it_tells_administrators_of_the_system(
    site: tuple[MailSink, HttpSink], connection: Connection
) -> None:
    mail, _ = site
    User.objects.create_superuser("root", email="root@example.com", language="pt-br")
    rule = make_rule(None, "disk", limit=85)
    full = {Subject("/", detail="/"): [Sample(NOW, Level.BEYOND, Decimal("91.5"))]}
    evaluate(read_system=lambda *_: full)
    deliver()
    [email] = mail.received
    assert email["To"] == "root@example.com"
    alarm = Alarm.objects.get()
    assert f"/admin/telemetry/alarm/{alarm.pk}/change/" in email.get_content()
    evaluate(5)
    evaluate(16)
    assert list_alarms(rule) == [(0, 5, 91.5, "cleared")]


def test_it_forgets_what_was_sent_long_ago(connection: Connection, account: Account) -> None:
    def add(**fields: Any) -> None:
        AlarmDelivery.objects.create(account=account, event="raised", due_at=NOW, **fields)

    now = datetime.now(UTC)
    for days in (89, 91):
        add(sent_at=now - timedelta(days=days))
        add(failed_at=now - timedelta(days=days))
    assert purge_alarm_deliveries(connection, keep_days=90) == 1
    assert AlarmDelivery.objects.count() == 3
