"""Exports at a time: one of a user, two of an account, over all processes; none for ever."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from telemetry.accounts import exports
from telemetry.accounts.exports import (
    PacedStream,
    Slot,
    SlotsTakenError,
    SlowReaderError,
    take_slot,
)
from telemetry.models import Account, Membership, User
from telemetry.store.db.connection import Connection
from tests.integration.web.mails import Mails

pytestmark = pytest.mark.integration


@pytest.fixture
def account(connection: Connection, mails: Mails) -> Account:
    """An account with three members; what is counted is in a Redis of its own."""
    account = Account.objects.create(name="Alpha")
    for name in ("ana", "eva", "leo"):
        Membership.objects.create(account=account, user=User.objects.create_user(name))
    return account


def export(account: Account, name: str, path: str = "") -> Any:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client.get(path or f"/api/v1/accounts/{account.pk}/readings/export")


def test_it_gives_a_user_one_slot_and_an_account_two(account: Account) -> None:
    first = export(account, "ana")
    assert first.status_code == 200
    again = export(account, "ana")
    assert again.status_code == 429
    assert "at most 1 exports of one user" in again.json()["detail"]
    report = f"/accounts/{account.pk}/reports/consumption.csv"
    for other in (report, f"/accounts/{account.pk}/virtual-meters/months.csv"):
        assert export(account, "ana", other).status_code == 429
    second = export(account, "eva", report)
    assert second.status_code == 200
    third = export(account, "leo")
    assert third.status_code == 429
    assert "one account" in third.json()["detail"]
    for response in (first, second):
        response.close()
        response.close()
    for path in ("", report, report.replace("csv", "xlsx")):
        response = export(account, "leo", path)
        assert response.status_code == 200
        assert b"".join(response.streaming_content)
        response.close()


def test_it_gives_a_slot_back_before_the_client_knows_that_the_export_ended(
    account: Account, mails: Mails
) -> None:
    """Who asks for the next one at once is not told that one is still running."""
    whose = {"user_id": 1, "account_id": account.pk}
    stream = PacedStream(iter([b"x", b"y"]), slot=take_slot(**whose))
    next(stream)
    with pytest.raises(SlotsTakenError):
        take_slot(**whose)
    assert list(stream) == [b"y"]
    take_slot(**whose).release()
    stream.close()


def test_it_gives_a_slot_back_that_a_killed_process_held(account: Account, mails: Mails) -> None:
    take_slot(user_id=1, account_id=account.pk)
    with pytest.raises(SlotsTakenError):
        take_slot(user_id=1, account_id=account.pk)
    left_s = [mails.redis.ttl(key) for key in mails.redis.scan_iter("export:*")]
    assert len(left_s) == 2
    assert all(0 < seconds <= exports.LEASE_S for seconds in left_s)


def test_it_exports_while_redis_is_away(connection: Connection) -> None:
    slot = take_slot(user_id=1, account_id=1)
    assert slot.locks == []
    slot.release()


def pieces() -> Iterator[bytes]:
    while True:
        yield b"x" * 1_000


def test_it_cuts_off_who_reads_too_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(exports.time, "monotonic", lambda: now)
    least = settings.OPTIONS.api.export_bytes_per_s
    fast, slow = (PacedStream(pieces(), slot=Slot([])) for _ in range(2))
    for _ in range(100):
        next(fast)
        now += 1_000 / least / 2
    next(slow)
    now += exports.GRACE_S - 1
    next(slow)
    now += 2
    with pytest.raises(SlowReaderError, match="bytes a second"):
        next(slow)


def test_it_cuts_off_what_takes_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(exports.time, "monotonic", lambda: now)
    stream = PacedStream(pieces(), slot=Slot([]))
    next(stream)
    now = settings.OPTIONS.api.export_longest_s + 1.0
    with pytest.raises(SlowReaderError, match="longer than"):
        next(stream)
