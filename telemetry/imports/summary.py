"""The end of an import as a table and as an object."""

from typing import Any

from msgspec import Struct
from rich.table import Table

from telemetry.imports.import_file import Course
from telemetry.imports.validate import Example, Findings
from telemetry.store.operations.import_totals import ImportTotals


class ImportSummary(Struct):
    """A file's lines by outcome. `difference`: lines that are not in the ledger; always 0."""

    file: str
    sha256: str
    batch_prefix: str
    lines: int
    empty_lines: int
    sent_before: int
    messages_stored: int
    messages_duplicate: int
    messages_dead_lettered: int
    difference: int
    readings: int
    readings_stored: int
    readings_duplicate: int
    readings_rejected: int
    dead_letters: int
    dead_letters_by_reason: dict[str, int]
    batches: int
    seconds: float


def summarise(file: str, course: Course, totals: ImportTotals) -> ImportSummary:
    """Hold the file against the ledger."""
    counts = totals.counts
    return ImportSummary(
        file=file,
        sha256=course.sha256,
        batch_prefix=course.prefix,
        lines=course.lines,
        empty_lines=course.empty_lines,
        sent_before=course.skipped,
        messages_stored=counts.messages_stored,
        messages_duplicate=counts.messages_duplicate,
        messages_dead_lettered=counts.messages_rejected,
        difference=course.lines - counts.messages,
        readings=counts.readings,
        readings_stored=counts.readings_stored,
        readings_duplicate=counts.readings_duplicate,
        readings_rejected=counts.readings_rejected,
        dead_letters=counts.dead_letters,
        dead_letters_by_reason=totals.reasons,
        batches=totals.batches,
        seconds=round(totals.seconds, 3),
    )


def as_table(summary: ImportSummary) -> Table:
    """The summary for people."""
    table = Table(title=f"Import of {summary.file}", title_justify="left")
    table.add_column("")
    table.add_column("lines", justify="right")
    table.add_column("readings", justify="right")
    table.add_row("sent", f"{summary.lines:,}", f"{summary.readings:,}")
    table.add_row("stored", f"{summary.messages_stored:,}", f"{summary.readings_stored:,}")
    table.add_row("duplicate", f"{summary.messages_duplicate:,}", f"{summary.readings_duplicate:,}")
    table.add_row(
        "dead-lettered", f"{summary.messages_dead_lettered:,}", f"{summary.readings_rejected:,}"
    )
    table.add_row("difference", f"{summary.difference:,}", "", end_section=True)
    if summary.empty_lines:
        table.add_row("empty lines, skipped", f"{summary.empty_lines:,}", "")
    table.add_row("dead letters", "", f"{summary.dead_letters:,}")
    _add_reasons(table, summary.dead_letters_by_reason)
    untold = summary.dead_letters - sum(summary.dead_letters_by_reason.values())
    if untold:
        table.add_row("  seen before, or again since", "", f"{untold:,}")
    return table


def as_validation_table(file: str, course: Course, findings: Findings) -> Table:
    """What `--dry-run` found."""
    table = Table(title=f"Dry run of {file}: nothing was sent", title_justify="left")
    table.add_column("")
    table.add_column("lines", justify="right")
    table.add_column("readings", justify="right")
    good = findings.messages - findings.rejected
    table.add_row("good", f"{good:,}", f"{findings.readings_good:,}")
    table.add_row("would be dead-lettered", f"{findings.rejected:,}", "", end_section=True)
    if course.empty_lines:
        table.add_row("empty lines, skipped", f"{course.empty_lines:,}", "")
    table.add_row("dead letters", "", f"{findings.reasons.total():,}")
    _add_reasons(table, dict(sorted(findings.reasons.items())))
    return table


def validation_as_json(file: str, course: Course, findings: Findings) -> dict[str, Any]:
    """The same for `--json`."""
    return {
        "file": file,
        "dry_run": True,
        "lines": course.lines,
        "empty_lines": course.empty_lines,
        "messages_good": findings.messages - findings.rejected,
        "messages_rejected": findings.rejected,
        "readings_good": findings.readings_good,
        "dead_letters_by_reason": dict(sorted(findings.reasons.items())),
        "examples": findings.examples,
    }


def list_examples(examples: list[Example]) -> list[str]:
    """The first lines that are rejected, one text each."""
    return [f"line {example.line}: {example.reason}, {example.detail}" for example in examples]


def _add_reasons(table: Table, reasons: dict[str, int]) -> None:
    for reason, count in reasons.items():
        table.add_row(f"  {reason}", "", f"{count:,}")
