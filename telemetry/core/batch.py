"""The one place that knows the batch format: fields, version, keys, queue and task names.

A batch body is msgpack `[version, [[topic, payload], ...]]` in the order of arrival. Everything
else about a batch (source, time of receipt, counts) lies beside the body in Redis.
"""

import re

import msgspec
from msgspec import Struct

BATCH_VERSION = 1

INGEST_QUEUE = "ingest"
MAINTENANCE_QUEUE = "maintenance"
STORE_BATCHES_TASK = "telemetry.store_batches"
REPLAY_WAITING_TASK = "telemetry.replay_waiting"
APPLY_RETENTION_TASK = "telemetry.apply_retention"
SEND_MAIL_TASK = "telemetry.send_mail"
SEND_REPORTS_TASK = "telemetry.send_reports"
COMPARE_ZONES_TASK = "telemetry.compare_time_zones"
CHECK_CERTIFICATES_TASK = "telemetry.check_certificates"
REQUEUE_TASK = "telemetry.requeue_stale_batches"
VERIFY_TASK = "telemetry.verify_aggregates"
EVALUATE_ALARMS_TASK = "telemetry.evaluate_alarms"
EVALUATE_RULES_TASK = "telemetry.evaluate_alarm_rules"
DELIVER_ALARMS_TASK = "telemetry.deliver_alarms"
EVALUATE_FINDINGS_TASK = "telemetry.evaluate_findings"
MARK_OFFLINE_TASK = "telemetry.mark_offline_gateways"
REFRESH_TASK = "telemetry.refresh_aggregates"
SUMMARISE_TASK = "telemetry.summarise_pipeline"
PURGE_LEDGER_TASK = "telemetry.purge_ledger"

BATCH_KEY = "ingest:batch:"  # + id: hash of body, source, received_us, messages, seq, attempts
PENDING_KEY = "ingest:pending"  # sorted set: id, time of receipt in seconds
HELD_KEY = "ingest:held"  # sorted set as the one before: batches that the reject guard put aside
READY_KEY = "ingest:ready"  # list: ids of batches that wait for a worker, the newest first
RETRY_KEY = "ingest:retry"  # list: ids of batches that were put aside; they wait for all others
WAKE_KEY = "ingest:wake"  # list: not empty when a worker that waits may find a batch
OWNERS_KEY = "ingest:owners"  # sorted set: worker processes, when their leases run out
CLAIMS_KEY = "ingest:claims:"  # + owner: list of the batches that it holds
COUNTERS_KEY = "ingest:counters"  # hash: received_messages, received_batches, pending_messages
LAST_KEY = "ingest:last:"  # + producer: id of its newest batch, so that a retry counts once
BRIDGE_KEY = "ingest:bridge:"  # + client id: lease and state of a running bridge
SESSIONS_KEY = "ingest:sessions"  # set: client ids that may hold a broker session
OPEN_KEY = "ingest:open"  # set: client ids that had a broker session when they were last connected
# hash: dropped (ever), dropped_at, last (the broker's own counter); the same for what it refused:
# KIND/USER, at:KIND/USER and last:KIND/USER; lost_sessions, lost_sessions_at
BROKER_KEY = "ingest:broker"
GUARD_KEY = "ingest:guard"  # why the reject guard holds batches, with an expiry
GUARD_HEARD_KEY = "ingest:guard:heard"  # what the workers tell each other of gateways, a sorted set
GUARD_OVERRULED_KEY = "ingest:guard:overruled"  # set while an operator lets everything pass
POOLS_SEEN_KEY = "ingest:pools"  # zset: pool, Unix seconds of its last sign of life
POOL_KEY = "ingest:pool:"  # + pool: hash of progress_at, waits_at, reason, retries, with an expiry
STAGES_KEY = "ingest:stages"  # hash: how long stages of storing took, STAGE:BOUND and STAGE:us
BEAT_KEY = "ingest:beat:"  # + active or waiting: who beats, with an expiry

REPLAY_SOURCE = "replay"
IMPORT_SOURCE = "import"

_ID = re.compile(r"[0-9a-f]{12}-[0-9a-f]{12}(?:\.[01]+)?")


class RawMessage(Struct, array_like=True, frozen=True, gc=False):
    """One MQTT message as it came, neither decoded nor validated."""

    topic: str
    payload: bytes


class _Body(Struct, array_like=True, frozen=True):
    version: int
    messages: list[RawMessage]


class BatchFormatError(ValueError):
    """A batch body that this version cannot read."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)


def new_batch_id(*, now_us: int, entropy: int) -> str:
    """An id that sorts by time (milliseconds) and is unique through 48 random bits."""
    return f"{now_us // 1000:012x}-{entropy & 0xFFFFFFFFFFFF:012x}"


def is_batch_id(text: str) -> bool:
    """Whether `text` has the form of a batch id, a half of a split one included."""
    return _ID.fullmatch(text) is not None


def half_ids(batch_id: str) -> tuple[str, str]:
    """The ids of the two halves of a split batch; always the same for the same batch."""
    stem = batch_id if "." in batch_id else f"{batch_id}."
    return f"{stem}0", f"{stem}1"


def list_above(batch_id: str) -> list[str]:
    """The batches that this one is a part of, the whole one first."""
    dot = batch_id.find(".")
    if dot < 0:
        return []
    return [batch_id[:dot], *(batch_id[:end] for end in range(dot + 2, len(batch_id)))]


def encode_messages(messages: list[RawMessage]) -> bytes:
    """The body of a batch, not yet compressed."""
    return _encoder.encode(_Body(BATCH_VERSION, messages))


def decode_messages(body: bytes) -> list[RawMessage]:
    """The messages of a body, in the order of arrival. Raises `BatchFormatError`."""
    try:
        decoded = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise BatchFormatError(f"batch body cannot be read: {error}") from error
    if decoded.version != BATCH_VERSION:
        raise BatchFormatError(
            f"batch body has version {decoded.version}: expected {BATCH_VERSION}; "
            "deploy workers before bridges when the format changes"
        )
    return decoded.messages
