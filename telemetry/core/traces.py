"""Which trace a batch belongs to: bridge and worker know it by the batch's id, so that nothing
about traces travels with a batch.

A trace's id is the batch's: its milliseconds, four zeros, its random digits, four zeros. Parts of a
batch that was split belong to the trace of the whole.
"""

from telemetry.core.batch import is_batch_id

_RANDOM_BITS = 48


def trace_id_of(batch_id: str) -> int:
    """The id of the trace, 128 bits. Raises `ValueError` for what is no batch id."""
    at, random = _split(batch_id)
    return int(f"{at}0000{random}0000", 16)


def root_span_id_of(batch_id: str) -> int:
    """The id of the trace's first span, 64 bits and never 0: the one in which a bridge received the
    batch."""
    return int(f"0001{_split(batch_id)[1]}", 16)


def is_traced(batch_id: str, *, share: float) -> bool:
    """Whether a batch is one of this share (0 to 1). All processes with one share agree."""
    return share > 0 and int(_split(batch_id)[1], 16) < share * (1 << _RANDOM_BITS)


def _split(batch_id: str) -> tuple[str, str]:
    if not is_batch_id(batch_id):
        raise ValueError(f"{batch_id!r} is no batch id")
    return batch_id[:12], batch_id[13:25]
