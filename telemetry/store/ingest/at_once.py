"""The transaction of batches in which nothing is out of the ordinary, as one query.

COPY, dirty hours and ledger go to PostgreSQL as one simple query, which is one transaction. That
takes a worker a third of the CPU time of BEGIN, COPY, the statements and COMMIT one by one.
"""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from weakref import WeakSet

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

_COUNTS = Counts.__struct_fields__
_PARAMETERS = ("ids", "sources", "seqs", "received_ats", *_COUNTS)
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
    the ledger does not take all batches.
    """
    content = pack_rows(sorted(rows), received_us=received_us)
    query = ";".join(
        (
            f"COPY reading ({COLUMNS}) FROM STDIN (FORMAT BINARY)",
            *(
                f"EXECUTE note_hour('{hour.isoformat()}', {_array(map(str, sorted(device_ids)))})"
                for hour, device_ids in sorted(group_by_hour([row[:2] for row in rows]).items())
            ),
            f"EXECUTE enter_batches({_ledger_values(connection, batches, counts)})",
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
    enter_batches: str = Sql.insert_batches.replace("%(second_part)s", "NULL")
    for number, name in enumerate(_PARAMETERS, 1):
        enter_batches = enter_batches.replace(f"%({name})s", f"${number}")
    for statement in (
        "PREPARE note_hour AS INSERT INTO dirty_hour (hour, device_ids)"
        " VALUES ($1::timestamptz, $2::bigint[])",
        # A batch that the ledger does not take must fail the query: nobody looks before it commits.
        f"PREPARE enter_batches AS WITH entered AS ({enter_batches})"  # noqa: S608 - no value in it
        " SELECT 1 / (count(*) = cardinality($1))::int FROM entered",
    ):
        with suppress(DuplicatePreparedStatement):
            connection.execute(statement.encode())
    _prepared.add(connection)


def _ledger_values(
    connection: Connection, batches: Sequence[ClaimedBatch], counts: Sequence[Counts]
) -> str:
    escape = pq.Escaping(connection.pgconn).escape_literal
    values = [
        b"ARRAY[%s]" % b",".join([escape(text.encode()) for text in texts])
        for texts in ([batch.id for batch in batches], [batch.source for batch in batches])
    ]
    numbers = [
        _array(str(batch.seq) for batch in batches),
        _array(batch.received_at.isoformat() for batch in batches),
        *(_array(str(getattr(each, name)) for each in counts) for name in _COUNTS),
    ]
    return ",".join([*(bytes(value).decode() for value in values), *numbers])


def _array(values: Iterable[str]) -> str:
    """An array of numbers or instants, which need no quotes, as a literal."""
    return "'{" + ",".join(values) + "}'"


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
