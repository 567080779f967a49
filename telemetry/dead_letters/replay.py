"""Send dead letters again, through the pipeline of live messages."""

from collections.abc import Callable

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from msgspec import Struct
from redis.exceptions import OutOfMemoryError

from config.celery import app
from config.env import read_options
from config.options import MarkOptions, RedisOptions
from config.queue import connect_redis
from telemetry.core.batch import REPLAY_SOURCE, RawMessage
from telemetry.core.reasons import Reason
from telemetry.models import DeadLetter, Device, Gateway, User
from telemetry.queue.batches import BatchQueue
from telemetry.queue.levels import choose_marks, read_levels

BATCH_SIZE = 500


class Replay(Struct, frozen=True):
    """How many dead letters were sent again, and why no more were; empty when all were."""

    sent: int
    hindrance: str = ""


def replay_dead_letters(
    dead_letters: "QuerySet[DeadLetter]",
    *,
    user: User | None = None,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
    wait: Callable[[str], bool] = lambda _: False,
    edit: Callable[[bytes], bytes | None] = lambda payload: payload,
) -> Replay:
    """Send pending dead letters again. `progress` gets the number of each batch. `edit` makes of
    each payload the one to send; None leaves the dead letter as it is.

    Live messages go first: where the queue is too full, `wait` gets the reason. It may pause
    and return True to try again; otherwise the rest stays pending. Raises `redis.RedisError`.
    """
    redis = read_options(RedisOptions)
    queue = BatchQueue(connect_redis(redis), app, wait_replicas=redis.wait_replicas)
    marks = choose_marks(read_options(MarkOptions))
    pending = dead_letters.filter(state=DeadLetter.State.PENDING)
    ids = list(pending.order_by("id").values_list("id", flat=True)[:limit])
    sent = 0
    while ids:
        hindrance = marks.find_pause_reason(read_levels(queue.redis), is_paused=True)
        if hindrance:
            if wait(hindrance):
                continue
            return Replay(sent, hindrance)
        try:
            sent += _send(queue, ids[:BATCH_SIZE], user, edit)
        except OutOfMemoryError:
            continue  # it has filled up since it was read
        if progress is not None:
            progress(len(ids[:BATCH_SIZE]))
        del ids[:BATCH_SIZE]
    return Replay(sent)


def _send(
    queue: BatchQueue,
    ids: list[int],
    user: User | None,
    edit: Callable[[bytes], bytes | None],
) -> int:
    """Send those that are still pending as one batch; how many.

    First the queue has them, then they are marked: an end between the two sends them twice, which
    storing makes harmless; the other way round would lose them.
    """
    rows = DeadLetter.objects.filter(id__in=ids, state=DeadLetter.State.PENDING).order_by("id")
    edited = [(row, edit(bytes(row.payload))) for row in rows]
    messages = [RawMessage(row.topic, payload) for row, payload in edited if payload is not None]
    if not messages:
        return 0
    # Marked before a worker can have validated it again, or its result would be overwritten.
    batch_id = queue.put(messages, source=REPLAY_SOURCE, is_ready=False)
    marked = DeadLetter.objects.filter(
        id__in=[row.id for row, payload in edited if payload is not None],
        state=DeadLetter.State.PENDING,
    ).update(state=DeadLetter.State.REPLAYED, handled_by=user, handled_at=timezone.now())
    queue.offer([batch_id])
    return marked


def replay_edited(dead_letter: DeadLetter, payload: bytes, *, user: User) -> bool:
    """Send one that is still pending again, with another payload; whether it was sent. What it is
    rejected for now becomes a dead letter of its own. Raises `redis.RedisError`."""
    redis = read_options(RedisOptions)
    queue = BatchQueue(connect_redis(redis), app, wait_replicas=redis.wait_replicas)
    waiting = DeadLetter.objects.filter(pk=dead_letter.pk, state=DeadLetter.State.PENDING)
    if not waiting.exists():
        return False
    message = RawMessage(dead_letter.topic, payload)
    batch_id = queue.put([message], source=REPLAY_SOURCE, is_ready=False)
    waiting.update(state=DeadLetter.State.REPLAYED, handled_by=user, handled_at=timezone.now())
    queue.offer([batch_id])
    return True


def find_waiting_dead_letters() -> "QuerySet[DeadLetter]":
    """Pending dead letters whose gateway or device is registered and active by now."""
    gateways = Gateway.objects.filter(mac=OuterRef("mac"), is_active=True, account__is_active=True)
    devices = Device.objects.filter(
        gateway__mac=OuterRef("mac"), code=OuterRef("device_code"), is_active=True
    )
    for_gateway = Q(reason__in=[Reason.UNKNOWN_GATEWAY, Reason.INACTIVE_GATEWAY])
    for_device = Q(reason__in=[Reason.UNKNOWN_DEVICE, Reason.INACTIVE_DEVICE])
    return DeadLetter.objects.filter(
        (for_gateway & Exists(gateways)) | (for_device & Exists(devices)),
        state=DeadLetter.State.PENDING,
    )
