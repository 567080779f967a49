"""Validate lines before they are sent, so that no bad file becomes a million dead letters."""

from collections import Counter, deque
from datetime import UTC, datetime

from msgspec import Struct, field

from config.options import IngestOptions
from telemetry.imports.chunks import Chunk
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.batch_store import BatchStore

RECENT_CHUNKS = 10
MAX_EXAMPLES = 10


class TooManyRefusedError(Exception):
    """More of the lines would be refused than the operator allows. One line of text."""


class Example(Struct, frozen=True):
    """A line that is refused, wholly or in part."""

    line: int
    reason: str
    detail: str


class Findings(Struct):
    """What the contract says of the lines that were judged. `refused`: lines with nothing good in
    them. What is a duplicate, or contradicts what stands, only storing can tell."""

    messages: int = 0
    refused: int = 0
    readings_good: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)


class Checker:
    """Judges chunks as a worker would do it now, and keeps count."""

    def __init__(self, connection: Connection, options: IngestOptions, *, limit: int) -> None:
        """`limit`: percent of the lines that may be refused."""
        self.findings = Findings()
        self.behind_days = options.contract.behind_days
        self._limit = limit
        self._store = BatchStore(options, connection)
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT_CHUNKS)

    def check(self, chunk: Chunk) -> None:
        """Validate the lines of a chunk. Raises `psycopg.Error`."""
        validated_messages = self._store.validate(chunk.messages, received_at=datetime.now(UTC))
        findings, refused = self.findings, 0
        for number, validated_message in zip(chunk.numbers, validated_messages, strict=True):
            findings.readings_good += len(validated_message.good)
            if not validated_message.rejections:
                continue
            refused += not validated_message.good
            for rejection in validated_message.rejections:
                findings.reasons[str(rejection.reason)] += 1
                if len(findings.examples) < MAX_EXAMPLES:
                    findings.examples.append(
                        Example(number, str(rejection.reason), rejection.detail)
                    )
        findings.messages += len(validated_messages)
        findings.refused += refused
        self._recent.append((len(validated_messages), refused))

    def require_mostly_good(self) -> None:
        """Raises `TooManyRefusedError` when too many of the last some 20,000 lines are refused."""
        judged = sum(count for count, _ in self._recent)
        refused = sum(count for _, count in self._recent)
        if 100 * refused <= self._limit * judged:
            return
        first = self.findings.examples[0]
        raise TooManyRefusedError(
            f"{refused:,} of the last {judged:,} lines would be refused, first line {first.line}: "
            f"{first.reason}, {first.detail}; at most {self._limit}% may be. Look with --dry-run; "
            "--max-refused 100 makes dead letters of them"
        )
