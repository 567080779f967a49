"""The transaction of batches in which nothing is out of the ordinary, as one query.

COPY, dirty hours and ledger go to PostgreSQL as one simple query, which is one transaction. That
takes a worker a third of the CPU time of BEGIN, COPY, the statements and COMMIT one by one.
"""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from weakref import WeakSet

from msgspec import structs
from psycopg import generators, pq
from psycopg.errors import (
    DuplicatePreparedStatement,
    InvalidSqlStatementName,
    error_from_result,
)
from psycopg.waiting import Ready, Wait

from telemetry.core.outcome import Counts
from telemetry.core.reading import Key, ReadingRow
from telemetry.queue.batches import ClaimedBatch
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.binary_copy import COLUMNS, pack_rows
from telemetry.store.ingest.ledger import Sql, group_by_hour

_PARAMETERS = ("id", "source", "seq", "received_at", *Counts.__struct_fields__)
_CHUNK_BYTES = 262_144

_prepared: WeakSet[Connection] = WeakSet()


def store_at_once(
    connection: Connection,
    rows: Collection[ReadingRow],
    batches: Sequence[ClaimedBatch],
    *,
    received_us: int | Mapping[Key, int],
    counts: Sequence[Counts],
) -> None:
    """Store rows whose keys are all different, note their hours and enter the batches; or nothing.

    Raises `psycopg.Error`: `UniqueViolation` when a key is stored already, `DivisionByZero` when
    the ledger does not take all batches, or a reading of one of their hours and devices is voided.
    """
    in_order = sorted(rows)
    content = pack_rows(in_order, received_us=received_us)
    noted = group_by_hour([row[:2] for row in reversed(in_order)])
    query = ";".join(
        (
            f"COPY reading ({COLUMNS}) FROM STDIN (FORMAT BINARY)",
            *(
                f"EXECUTE note_hour('{hour.isoformat()}',{_array(since)},{_array(since.values())})"
                for hour, since in sorted(noted.items())
            ),
            *(
                f"EXECUTE enter_batch({_ledger_values(connection, batch, each)})"
                for batch, each in zip(batches, counts, strict=True)
            ),
        )
    ).encode()
    if connection not in _prepared:
        _prepare(connection)
    try:
        _run(connection, query, content)
    except InvalidSqlStatementName:  # somebody has reset the session
        _prepare(connection)
        _run(connection, query, content)


def _prepare(connection: Connection) -> None:
    enter_batch: str = Sql.insert_batch.replace("%(second_part)s", "NULL")
    for number, name in enumerate(_PARAMETERS, 1):
        enter_batch = enter_batch.replace(f"%({name})s", f"${number}")
    for statement in (
        # Nor one that may hold a reading which an edit voided: it must not be stored again.
        "PREPARE note_hour AS WITH noted AS ("
        "INSERT INTO dirty_hour (hour, device_ids, since_ms)"
        " VALUES ($1::timestamptz, $2::bigint[], $3::int[]) RETURNING hour)"
        " SELECT 1 / (NOT EXISTS (SELECT FROM edited_reading e"
        " WHERE e.is_current AND e.after IS NULL AND e.time > $1 AND e.time <= $1 + interval '1h'"
        " AND e.device_id = ANY($2)))::int FROM noted",
        # A batch that the ledger does not take must fail the query: nobody looks before it commits.
        f"PREPARE enter_batch AS WITH entered AS ({enter_batch})"  # noqa: S608 - no value is in it
        " SELECT 1 / count(*) FROM entered",
    ):
        with suppress(DuplicatePreparedStatement):
            connection.execute(statement.encode())
    _prepared.add(connection)


def _ledger_values(connection: Connection, batch: ClaimedBatch, counts: Counts) -> str:
    escape = pq.Escaping(connection.pgconn).escape_literal
    texts = (bytes(escape(text.encode())).decode() for text in (batch.id, batch.source))
    numbers = map(str, (batch.seq, f"'{batch.received_at.isoformat()}'", *structs.astuple(counts)))
    return ",".join((*texts, *numbers))


def _array(values: Iterable[int]) -> str:
    """An array of numbers as a literal."""
    return "'{" + ",".join(map(str, values)) + "}'"


def _run(connection: Connection, query: bytes, content: bytes) -> None:
    with connection.lock:
        results = connection.wait(_exchange(connection.pgconn, query, content))
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(result)


def _exchange(
    connection: pq.abc.PGconn, query: bytes, content: bytes
) -> Generator[Wait, Ready | int, list[pq.abc.PGresult]]:
    """Send the query, the rows when COPY asks for them; what the server answers in the end."""
    connection.send_query(query)
    results: list[pq.abc.PGresult] = yield from generators.execute(connection)
    if results[-1].status != pq.ExecStatus.COPY_IN:
        return results
    for start in range(0, len(content), _CHUNK_BYTES):
        chunk = content[start : start + _CHUNK_BYTES]
        yield from generators.copy_to(connection, chunk, flush=False)
    while connection.put_copy_end() == 0:
        yield Wait.W
    results = yield from generators.execute(connection)
    return results
