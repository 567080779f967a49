"""Validate lines before they are sent, so that no bad file becomes a million dead letters."""

from collections import Counter, deque
from datetime import UTC, datetime

from msgspec import Struct, field

from config.options import IngestOptions
from telemetry.imports.line_batches import LineBatch
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.batch_store import BatchStore

RECENT_BATCHES = 10
MAX_EXAMPLES = 10


class TooManyRejectedError(Exception):
    """More of the lines would be rejected than the operator allows. One line of text."""


class Example(Struct, frozen=True):
    """A line that is rejected, as a whole or in part."""

    line: int
    reason: str
    detail: str


class Findings(Struct):
    """Results of validation. `rejected`: lines without any good reading. Whether a reading is a
    duplicate, or conflicts with a stored one, is known only when it is stored."""

    messages: int = 0
    rejected: int = 0
    readings_good: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)


class Checker:
    """Validates batches as a worker would now, and counts the results."""

    def __init__(self, connection: Connection, options: IngestOptions, *, limit: int) -> None:
        """`limit`: percent of the lines that may be rejected."""
        self.findings = Findings()
        self.behind_days = options.contract.behind_days
        self._limit = limit
        self._store = BatchStore(options, connection)
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT_BATCHES)

    def check(self, batch: LineBatch) -> None:
        """Validate the lines of a batch. Raises `psycopg.Error`."""
        validated_messages = self._store.validate(batch.messages, received_at=datetime.now(UTC))
        findings, rejected = self.findings, 0
        for number, validated_message in zip(batch.numbers, validated_messages, strict=True):
            findings.readings_good += len(validated_message.good)
            if not validated_message.rejections:
                continue
            rejected += not validated_message.good
            for rejection in validated_message.rejections:
                findings.reasons[str(rejection.reason)] += 1
                if len(findings.examples) < MAX_EXAMPLES:
                    findings.examples.append(
                        Example(number, str(rejection.reason), rejection.detail)
                    )
        findings.messages += len(validated_messages)
        findings.rejected += rejected
        self._recent.append((len(validated_messages), rejected))

    def require_mostly_good(self) -> None:
        """Raises `TooManyRejectedError` when too many of the last 20,000 lines are rejected."""
        validated = sum(count for count, _ in self._recent)
        rejected = sum(count for _, count in self._recent)
        if 100 * rejected <= self._limit * validated:
            return
        first = self.findings.examples[0]
        raise TooManyRejectedError(
            f"{rejected:,} of the last {validated:,} lines would be rejected, first line "
            f"{first.line}: {first.reason}, {first.detail}; at most {self._limit}% may be. "
            "--dry-run shows them; --max-rejected 100 makes dead letters of them"
        )
