"""Why a message or a reading is rejected: the reasons of the message contract, in its order.

`README.md` in this folder says when each one is given, and what to do about it.

The contract accepts or *rejects* each reading, and rejects a message that is bad as a whole.
Workers keep what was rejected as a *dead letter*: a row with the message's bytes and the reason,
which can be sent again. Only brokers and servers *refuse* something: a user, a packet, a write.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Reason codes of dead letters. Checks run in this order; the first that fails is named."""

    BAD_TOPIC = "bad_topic"
    TOO_LARGE = "too_large"
    BAD_JSON = "bad_json"
    BAD_SCHEMA = "bad_schema"
    MAC_MISMATCH = "mac_mismatch"
    UNKNOWN_GATEWAY = "unknown_gateway"
    INACTIVE_GATEWAY = "inactive_gateway"
    BAD_TIMESTAMP = "bad_timestamp"
    TIMESTAMP_OUT_OF_RANGE = "timestamp_out_of_range"
    UNKNOWN_DEVICE = "unknown_device"
    INACTIVE_DEVICE = "inactive_device"
    BAD_VALUE = "bad_value"
    NEGATIVE_VALUE = "negative_value"
    UNIT_MISMATCH = "unit_mismatch"
    CONFLICTING_READING = "conflicting_reading"
    RATE_LIMITED = "rate_limited"
    PROCESSING_ERROR = "processing_error"


class RejectedError(Exception):
    """The message's own fault. The tree of errors, and what each leads to:

    - `RejectedError`: dead letter with `reason`; nothing is retried.
    - `telemetry.store.db.errors.is_transient(error)`: retried with backoff, for ever.
    - anything else: unknown; the batch is split until the message that causes it is alone,
      which then becomes a dead letter `processing_error` with the traceback.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
