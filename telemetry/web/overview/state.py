"""What of the overview changes from second to second: presence, newest readings, alarms."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, DateTimeField, F, Q, Value
from django.db.models.functions import Coalesce, NullIf
from msgspec import Struct

from telemetry.models import Alarm, DeadLetter, Device, Finding, Gateway
from telemetry.store.reads.freshness import Freshness
from telemetry.store.reads.latest_in_account import LatestReading, read_latest
from telemetry.web.charts.labels import find_devices

LATEST = 6
ALARMS = 8
NAMED = 3
MOST_COUNTED = 1_000


class Presence(Struct, frozen=True):
    """Active devices behind active gateways, and those of them behind one that is online."""

    devices_count: int
    devices_online: int


class LatestRow(Struct, frozen=True):
    """A reading with its device, which is None when it is another account's by now."""

    reading: LatestReading
    device: Device | None


class OpenAlarms(Struct, frozen=True):
    """The newest open alarms, and how many there are (no more than 1,000 are counted)."""

    alarms: Sequence[Alarm]
    count: int


class SilentGateway(Struct, frozen=True):
    """A gateway that was heard once, by its name or its code."""

    name: str
    last_seen: datetime


class NamedFinding(Struct, frozen=True):
    """A finding by its device's name, or its code, and its rule in a word."""

    device: str
    rule: str


class Attention(Struct, frozen=True):
    """What needs a person. `offline`: three silent gateways at most, the last one first; `unseen`:
    three that never connected; `findings`: the newest three. No more than 1,000 of anything are
    counted; alarms are counted apart."""

    offline: Sequence[SilentGateway]
    offline_count: int
    unseen: Sequence[str]
    unseen_count: int
    findings: Sequence[NamedFinding]
    findings_count: int
    rejected_count: int


class State(Struct, frozen=True):
    """The account at this moment."""

    freshness: Freshness
    presence: Presence
    latest: tuple[LatestRow, ...]
    alarms: OpenAlarms
    attention: Attention

    @property
    def needs_attention(self) -> bool:
        """Whether anything does."""
        of = self.attention
        counts = (of.offline_count, of.unseen_count, of.findings_count, of.rejected_count)
        return bool(self.alarms.count or any(counts))


def read_state(
    account_id: int,
    *,
    freshness: Freshness,
    now: datetime,
    device_ids: Sequence[int] | None,
) -> State:
    """Presence, the newest readings (of the devices named), and what needs attention. At most eight
    queries."""
    return State(
        freshness,
        _read_presence(account_id),
        _read_latest(account_id, now=now, device_ids=device_ids),
        _read_alarms(account_id),
        _read_attention(account_id),
    )


def _read_attention(account_id: int) -> Attention:
    """One query: what is counted beside what is named."""
    silent = Gateway.objects.filter(account_id=account_id, is_active=True, is_online=False)
    findings = Finding.objects.filter(account_id=account_id, state="open")
    rejected = DeadLetter.objects.filter(account_id=account_id, state=DeadLetter.State.PENDING)
    no_text = Value("")
    rows = (
        silent.annotate(
            what=Value("gateway"), text=Coalesce(NullIf("name", no_text), "code"), kind=no_text,
            at=F("last_seen"),
        ).order_by(F("last_seen").desc(nulls_last=True)),
        findings.annotate(
            what=Value("finding"), text=Coalesce(NullIf("device__name", no_text), "device__code"),
            kind=F("rule"), at=F("since"),
        ).order_by("-since"),
        rejected.annotate(
            what=Value("rejected"), text=no_text, kind=no_text, at=Value(None, DateTimeField())
        ),
    )  # fmt: skip
    listed = [each.values_list("what", "text", "kind", "at")[:MOST_COUNTED] for each in rows]
    found = list(listed[0].union(*listed[1:], all=True))
    gateways = [(text, at) for what, text, _, at in found if what == "gateway"]
    offline = [SilentGateway(text, at) for text, at in gateways if at is not None]
    offline.sort(key=lambda gateway: gateway.last_seen, reverse=True)
    unseen = sorted(text for text, at in gateways if at is None)
    open_findings = [each for each in found if each[0] == "finding"]
    open_findings.sort(key=lambda each: each[3], reverse=True)
    named = [
        NamedFinding(text, str(Finding.Rule(rule).label).partition(":")[0])
        for _, text, rule, _ in open_findings[:NAMED]
    ]
    return Attention(
        offline[:NAMED], len(offline), unseen[:NAMED], len(unseen), named, len(open_findings),
        sum(what == "rejected" for what, *_ in found),
    )  # fmt: skip


def _read_presence(account_id: int) -> Presence:
    active = Device.objects.filter(account_id=account_id, is_active=True, gateway__is_active=True)
    counts = active.aggregate(
        devices=Count("pk"), online=Count("pk", filter=Q(gateway__is_online=True))
    )
    return Presence(counts["devices"], counts["online"])


def _read_latest(
    account_id: int, *, now: datetime, device_ids: Sequence[int] | None
) -> tuple[LatestRow, ...]:
    readings = read_latest(account_id, most=LATEST, now=now, device_ids=device_ids)
    devices = find_devices(account_id, ids={reading.device_id for reading in readings})
    return tuple(LatestRow(reading, devices.get(reading.device_id)) for reading in readings)


def _read_alarms(account_id: int) -> OpenAlarms:
    is_open = Alarm.objects.filter(account_id=account_id, closed_at=None)
    alarms = is_open.select_related("device").prefetch_related("device__gateway", "gateway")
    newest = list(alarms.order_by("-opened_at", "-pk")[: ALARMS + 1])
    count = len(newest) if len(newest) <= ALARMS else is_open[:MOST_COUNTED].count()
    return OpenAlarms(newest[:ALARMS], count)
