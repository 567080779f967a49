"""What a run did and what must become of it, as an object and as a table."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from telemetry.simulator.compare import Verification
from telemetry.simulator.outcomes import Expectation, sum_outcomes
from telemetry.simulator.publisher import Publisher
from telemetry.simulator.receipts import RunReceipts


@dataclass(frozen=True)
class Summary:
    """The counts of a run. `expected` holds for the acknowledged messages."""

    published: int
    acknowledged: int
    unacknowledged: int
    not_accepted: dict[str, int]
    resent: int
    without_subscriber: int
    seconds: float
    rate: float
    is_interrupted: bool
    fault: str
    expected: Expectation
    expected_of_unacknowledged: Expectation
    verified: Verification | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every published message was acknowledged."""
        return not self.fault and not self.unacknowledged and not self.not_accepted

    def as_json(self) -> dict[str, Any]:
        """The counts for `--json`, without the counts of every single device."""
        expected = self.expected
        fields = asdict(self)
        del fields["expected_of_unacknowledged"]
        fields["expected"] = {
            "messages": expected.messages,
            "readings_stored": expected.readings_stored,
            "readings_duplicate": expected.duplicates,
            "dead_letters": sum(expected.dead_letters.values()),
            "dead_letters_by_reason": expected.dead_letters,
        }
        if self.verified is not None:
            findings = self.verified.findings
            fields["verified"] = {
                "rows": sum(findings.rows_by_device.values()),
                "dead_letters_by_reason": findings.dead_letters,
                "differences": self.verified.differences,
            }
        return fields


def summarise(publisher: Publisher, receipts: RunReceipts) -> Summary:
    """Collect the counts at the end of a run."""
    seconds = publisher.elapsed_s
    unacked = publisher.list_unacked()
    return Summary(
        published=publisher.published,
        acknowledged=receipts.acknowledged,
        unacknowledged=len(unacked),
        not_accepted=dict(receipts.not_accepted),
        resent=receipts.resent,
        without_subscriber=receipts.unheard,
        seconds=round(seconds, 3),
        rate=round(receipts.acknowledged / seconds, 1) if seconds else 0.0,
        is_interrupted=publisher.is_stopping,
        fault=publisher.fault,
        expected=sum_outcomes(receipts.outcomes),
        expected_of_unacknowledged=sum_outcomes(Counter(m.outcome for m in unacked)),
    )


def as_table(summary: Summary) -> Table:
    """The summary for people."""
    table = Table(title="Simulated fleet", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("published", f"{summary.published:,}")
    table.add_row("acknowledged", f"{summary.acknowledged:,}")
    table.add_row("unacknowledged", f"{summary.unacknowledged:,}")
    for reason, count in summary.not_accepted.items():
        table.add_row(f"not accepted by the broker: {reason}", f"{count:,}")
    table.add_row("sent again after a lost connection", f"{summary.resent:,}")
    table.add_row("seconds", f"{summary.seconds:,.1f}")
    table.add_row("acknowledged a second", f"{summary.rate:,.0f}", end_section=True)
    expected = summary.expected
    table.add_row("must become: readings stored", f"{expected.readings_stored:,}")
    table.add_row("readings duplicate", f"{expected.duplicates:,}")
    table.add_row("dead letters", f"{sum(expected.dead_letters.values()):,}")
    for reason, count in expected.dead_letters.items():
        table.add_row(f"  {reason}", f"{count:,}")
    return table


def list_remarks(summary: Summary) -> list[str]:
    """What the reader of the table must know beside it."""
    remarks = []
    if summary.without_subscriber:
        remarks.append(
            f"{summary.without_subscriber:,} acknowledged messages had no subscriber: the broker "
            "dropped them; start the bridge before the simulator"
        )
    if summary.resent:
        remarks.append(
            f"{summary.resent:,} messages were sent again: up to as many more duplicates are right"
        )
    return remarks
