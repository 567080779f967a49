"""Group the lines of a file into the batches that will carry them. Pure."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from telemetry.core.batch import RawMessage
from telemetry.imports.converters import Converter
from telemetry.imports.lines import Line

BATCH_MESSAGES = 2_000
BATCH_BYTES = 2_000_000


class LineBatch(Struct):
    """The messages of one batch with the numbers of their lines. `end`: bytes of the file up to the
    line after it. `empty_lines`: those met on the way, which become nothing."""

    end: int
    messages: list[RawMessage]
    numbers: list[int]
    empty_lines: int


class Skipped(Struct):
    """Lines that were sent before, and empty ones between them."""

    lines: int = 0
    empty_lines: int = 0


def skip_lines(lines: Iterable[Line], *, end: int) -> Skipped:
    """Pass over the lines up to byte `end`, where one of them ends."""
    skipped = Skipped()
    if not end:
        return skipped
    for line in lines:
        if line.is_empty:
            skipped.empty_lines += 1
        else:
            skipped.lines += 1
        if line.end >= end:
            break
    return skipped


def group_lines(lines: Iterable[Line], convert: Converter) -> Iterator[LineBatch]:
    """Batches of the lines. The last may hold nothing but a count of empty lines."""
    batch, length = LineBatch(0, [], [], 0), 0
    for line in lines:
        batch.end = line.end
        if line.is_empty:
            batch.empty_lines += 1
            continue
        message = convert(line.body)
        batch.messages.append(message)
        batch.numbers.append(line.number)
        length += len(message.payload)
        if len(batch.messages) >= BATCH_MESSAGES or length >= BATCH_BYTES:
            yield batch
            batch, length = LineBatch(line.end, [], [], 0), 0
    if batch.messages or batch.empty_lines:
        yield batch
