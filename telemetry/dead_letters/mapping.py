"""Map a unit or a code for every dead letter of a group, and replay them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct

from telemetry.core.batch import RawMessage
from telemetry.core.map_values import MAPPED, count_values, map_value
from telemetry.core.reasons import Reason
from telemetry.dead_letters.decide import MOST_REPLAYED, list_waiting, record_edit
from telemetry.dead_letters.dry_run import MOST_TRIED, DryRun, try_messages
from telemetry.dead_letters.replay import Replay, replay_dead_letters
from telemetry.models import DeadLetterGroup, Device, User


class Mapping(Struct, frozen=True):
    """A text of a field, and the one to send in its place."""

    field: str
    before: str
    after: str

    def apply(self, payload: bytes) -> bytes | None:
        """The mapped payload; None where there is nothing to map."""
        return map_value(payload, self.field, before=self.before, after=self.after)


class MappingChoices(Struct, frozen=True):
    """What can be mapped in a group, and to what."""

    field: str
    before: list[str]
    after: list[str]


def list_choices(group: DeadLetterGroup) -> MappingChoices | None:
    """The texts that the newest dead letters have, and those that the gateway's devices have; None
    for a reason of another kind."""
    if group.reason not in MAPPED:
        return None
    field = MAPPED[Reason(group.reason)]
    devices = Device.objects.filter(gateway__mac=group.mac, account=group.account_id)
    own = devices.values_list("unit" if field == "unidade" else "code", flat=True)
    after = sorted({text for text in own if text})
    rows = list_waiting(group).order_by("-last_seen", "-id")[:MOST_TRIED]
    found = count_values((bytes(row.payload) for row in rows), field)
    before = [text for text in found if field == "unidade" or text not in after]
    return MappingChoices(field, before, after)


def try_mapping(group: DeadLetterGroup, mapping: Mapping, *, now: datetime) -> DryRun:
    """What would become of the newest if they were mapped and sent now."""
    rows = list_waiting(group).order_by("-last_seen", "-id")[:MOST_TRIED]
    mapped = [(row.topic, mapping.apply(bytes(row.payload))) for row in rows]
    messages = [RawMessage(topic, payload) for topic, payload in mapped if payload is not None]
    return try_messages(messages, now=now)


def replay_mapped(group: DeadLetterGroup, mapping: Mapping, *, user: User) -> Replay:
    """Map what waits in a group and send it, at most `MOST_REPLAYED` at once. What has nothing to
    map goes on waiting. Raises `redis.RedisError`."""
    edit: Callable[[bytes], Any] = mapping.apply
    waiting = list_waiting(group)
    replay = replay_dead_letters(waiting, user=user, limit=MOST_REPLAYED, edit=edit)
    note = f"{mapping.before} \u2192 {mapping.after}"
    if replay.sent:
        record_edit(group, note=note, user=user, count=replay.sent)
    return replay
