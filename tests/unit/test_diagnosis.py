"""Why a gateway or a device has no data: the first step that fails is the answer."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from telemetry.diagnosis.diagnose import Diagnosis, diagnose
from telemetry.diagnosis.facts import Broker, DeviceFacts, Facts, Rejected
from telemetry.models import Account, Certificate, Device, Finding, Gateway, GatewayEvent
from telemetry.queue.batches import Denial
from telemetry.store.reads.latest_by_device import NewestReading

NOW = datetime(2026, 11, 3, 14, 32, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=5)
MAC = "a4:cf:12:7e:90:2b"


def make_facts(*, is_online: bool = True, **changes: Any) -> Facts:
    """A gateway that sends; `changes` of the facts."""
    account = Account(pk=1, name="School")
    seen_at = NOW if is_online else LONG_AGO
    gateway = Gateway(
        pk=2, account=account, code="GW-0417", mac=MAC, is_online=is_online, last_seen=seen_at
    )
    device = Device(pk=3, gateway=gateway, account=account, code="D01", name="Supply")
    newest = NewestReading(seen_at, Decimal(1), "kWh")
    facts = Facts(
        now=NOW, account=account, gateway=gateway, device=None,
        devices=[DeviceFacts(device, newest)], certificate=None, waits_for_certificate=False,
        event=GatewayEvent(kind="online" if is_online else "offline", at=seen_at),
        broker=Broker([], None, "", 0, 0.0, 1), rejected=[], findings=[],
        refreshed_at=NOW - timedelta(seconds=38),
    )  # fmt: skip
    return structs.replace(facts, **changes)


def ask(facts: Facts) -> Diagnosis:
    return diagnose(facts, lambda action: f"/{action.page}/")


def broker(**changes: Any) -> Broker:
    return structs.replace(Broker([], None, "", 0, 0.0, 1), **changes)


def certificate(**fields: Any) -> Certificate:
    return Certificate(common_name=MAC, **{"not_after": NOW + timedelta(days=9), **fields})


def rejected(reason: str = "unit_mismatch", *, at: datetime = NOW) -> Rejected:
    return Rejected(reason, 3, 212, at, 7, "device 'D01' has 'kWh', the reading 'kwh'")


DENIED = Denial("denied_publish", 318, NOW.timestamp() - 48)
CASES: dict[str, tuple[dict[str, Any], int, str]] = {
    "it is silent": ({}, 3, "silent: nothing of it reaches the broker"),
    "its certificate is revoked": ({"certificate": certificate(revoked_at=LONG_AGO)}, 2, "revoked"),
    "its certificate has ended": ({"certificate": certificate(not_after=LONG_AGO)}, 2, "has ended"),
    "it waits for a certificate": ({"waits_for_certificate": True}, 2, "waits for its certificate"),
    "no bridge reads": ({"broker": broker(bridges_ready=0)}, 3, "This system receives nothing"),
    "the broker refuses it": ({"broker": broker(denials=[DENIED])}, 4, "the broker refuses"),
    "what it sends is rejected": ({"rejected": [rejected()]}, 6, "rejected: Other unit"),
    "an old refusal explains nothing": (
        {"broker": broker(denials=[Denial("denied_publish", 1, LONG_AGO.timestamp() - 9)])},
        3,
        "silent",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_names_the_first_step_that_fails_when(case: str) -> None:
    changes, number, headline = CASES[case]
    found = ask(make_facts(is_online=False, **changes))
    assert (found.number, found.kind) == (number, "bad"), found.headline
    assert headline in found.headline
    failing = found.rows[number - 1]
    assert failing.next_step
    assert failing.is_open
    assert all(row.follows == (row.number > number) for row in found.rows)
    assert "%(" not in f"{found.headline}{found.installer}{failing.next_step}{failing.loss}"


def test_it_says_that_a_gateway_was_never_seen() -> None:
    facts = make_facts(is_online=False)
    facts.gateway.last_seen = None
    found = ask(structs.replace(facts, devices=[DeviceFacts(facts.devices[0].device, None)]))
    assert "GW-0417 has never sent anything" in found.headline
    assert MAC in found.installer
    assert found.rows[2].actions == [("Correct the gateway", "/gateway/")]


@pytest.mark.parametrize(
    ("name", "number", "headline"),
    [("account", 5, "account of GW-0417"), ("gateway", 5, "GW-0417 is deactivated")],
)
def test_it_names_what_is_deactivated(name: str, number: int, headline: str) -> None:
    facts = make_facts()
    getattr(facts, name).is_active = False
    found = ask(facts)
    assert (found.number, headline in found.headline) == (number, True)


def test_it_says_that_a_gateway_sends_but_not_its_device() -> None:
    facts = make_facts()
    device = facts.devices[0].device
    silent = DeviceFacts(device, NewestReading(LONG_AGO, Decimal(1), "kWh"))
    found = ask(structs.replace(facts, device=device, devices=[silent]))
    assert found.headline == "GW-0417 sends, but without D01 Supply"
    assert "D01 Supply" in found.installer


def test_it_says_that_all_is_well_and_what_is_not_known() -> None:
    finding = Finding(device=make_facts().devices[0].device, rule="silent", since=LONG_AGO)
    found = ask(make_facts(findings=[finding], broker=None, rejected=[rejected()]))
    assert found.headline.startswith("GW-0417 sends and everything arrives; last reading")
    assert [row.check.kind for row in found.rows] == [
        "ok", "ok", "ok", "unknown", "ok", "warn", "unknown", "unknown", "follows", "ok",
    ]  # fmt: skip
    guard = broker(guard="95% rejected", held=4, limited_at=NOW)
    found = ask(make_facts(broker=guard, refreshed_at=None))
    assert [row.check.kind for row in found.rows][6:] == ["warn", "warn", "ok", "bad"]
    assert "Charts are old" in found.headline
