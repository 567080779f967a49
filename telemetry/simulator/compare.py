"""Compare what the database holds of a run with what it must hold."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from telemetry.core.reasons import Reason
from telemetry.simulator.outcomes import Expectation

POLL_S = 0.5
SHOWN_DEVICES = 5


@dataclass(frozen=True)
class Findings:
    """What the database holds of a run. `pending` batches have not been stored yet."""

    rows_by_device: dict[int, int]
    dead_letters: dict[str, int]
    pending: int


@dataclass(frozen=True)
class Verification:
    """The last findings, and the differences as text."""

    findings: Findings
    differences: list[str]


def wait_until_stored(
    read: Callable[[], Findings],
    *,
    acknowledged: Expectation,
    unacknowledged: Expectation,
    timeout_s: float,
) -> Verification:
    """Read again and again until nothing is pending and nothing differs, or until the timeout."""
    end_s = time.monotonic() + timeout_s
    while True:
        findings = read()
        differences = find_differences(
            findings, acknowledged=acknowledged, unacknowledged=unacknowledged
        )
        if findings.pending:
            differences.append(f"{findings.pending} batches are still pending in the queue")
        if not differences or time.monotonic() >= end_s:
            return Verification(findings, differences)
        time.sleep(POLL_S)


def find_differences(
    findings: Findings, *, acknowledged: Expectation, unacknowledged: Expectation
) -> list[str]:
    """Differences as text. Unacknowledged messages may have arrived or not."""
    return [
        *_compare_rows(findings, acknowledged, unacknowledged),
        *_compare_dead_letters(findings, acknowledged, unacknowledged),
    ]


def _compare_rows(
    findings: Findings, acknowledged: Expectation, unacknowledged: Expectation
) -> list[str]:
    devices = sorted({*findings.rows_by_device, *acknowledged.rows_by_device})
    wrong = []
    for device_id in devices:
        found = findings.rows_by_device.get(device_id, 0)
        least = acknowledged.rows_by_device.get(device_id, 0)
        most = least + unacknowledged.rows_by_device.get(device_id, 0)
        if not least <= found <= most:
            wrong.append(f"device {device_id}: {found} rows, expected {_range(least, most)}")
    if len(wrong) <= SHOWN_DEVICES:
        return wrong
    total = sum(findings.rows_by_device.values())
    return [
        f"{len(wrong)} devices differ: {total:,} rows in all, expected "
        f"{acknowledged.readings_stored:,}; the first {SHOWN_DEVICES}:",
        *wrong[:SHOWN_DEVICES],
    ]


def _compare_dead_letters(
    findings: Findings, acknowledged: Expectation, unacknowledged: Expectation
) -> list[str]:
    reasons = sorted({*findings.dead_letters, *acknowledged.dead_letters})
    wrong = []
    for reason in reasons:
        found = findings.dead_letters.get(reason, 0)
        least = acknowledged.dead_letters.get(reason, 0)
        most = least + unacknowledged.dead_letters.get(reason, 0)
        if reason == Reason.CONFLICTING_READING:
            # The message that it contradicts may be one that never arrived.
            least = max(least - unacknowledged.messages, 0)
        if not least <= found <= most:
            wrong.append(f"dead letters {reason}: {found}, expected {_range(least, most)}")
    return wrong


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"
