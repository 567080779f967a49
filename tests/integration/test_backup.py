"""A backup that cannot be taken or loaded says why, and changes nothing."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from telemetry.backup.archive import ArchiveReader, ArchiveWriter, BackupError, Head, Table
from telemetry.backup.tables import list_tables
from telemetry.core.consumption import Meter, Value
from telemetry.queue.batches import BatchQueue
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from tests.consumption import Replacement, put, read, read_figures, register, replace_register
from tests.messages import make_message

pytestmark = pytest.mark.integration

HEAD = Head(1, "2026-01-01T00:00:00+00:00", "apache", [], [Table("t", ["a"])])


def write(path: Path, *, head: Head = HEAD, data: bytes = b"x" * 100_000) -> Path:
    writer = ArchiveWriter(path, head)
    writer.write_part("t", [data], rows=[7])
    writer.finish()
    return path


def test_it_reads_what_it_wrote(tmp_path: Path) -> None:
    reader = ArchiveReader(write(tmp_path / "b", data=bytes(range(256)) * 1000))
    assert b"".join(reader.read_part("t")) == bytes(range(256)) * 1000
    assert reader.parts["t"].rows == 7
    reader.close()
    assert not (tmp_path / "b.part").exists()
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600


def test_it_refuses_half_a_file_a_damaged_one_and_one_that_is_none(tmp_path: Path) -> None:
    whole = write(tmp_path / "b").read_bytes()
    (tmp_path / "half").write_bytes(whole[: whole.index(b"contents.json")])
    with pytest.raises(BackupError, match="not whole: its end is missing"):
        ArchiveReader(tmp_path / "half")
    (tmp_path / "none").write_bytes(b"hello")
    with pytest.raises(BackupError, match="this is no backup"):
        ArchiveReader(tmp_path / "none")
    at = whole.index(b"\x28\xb5\x2f\xfd")
    (tmp_path / "damaged").write_bytes(whole[:at] + b"\0\0\0\0" + whole[at + 4 :])
    reader = ArchiveReader(tmp_path / "damaged")
    with pytest.raises(BackupError, match="t is damaged"):
        list(reader.read_part("t"))
    reader.close()
    newer = msgspec.structs.replace(HEAD, version=2)
    with pytest.raises(BackupError, match="format 2: expected 1"):
        ArchiveReader(write(tmp_path / "newer", head=newer))


def test_it_leaves_no_file_behind_when_a_backup_fails(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path / "b", HEAD)
    writer.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("fleet")
def test_it_refuses_a_database_that_holds_rows(
    queue: BatchQueue, connection: Connection, tmp_path: Path
) -> None:
    queue.put([make_message()], source="test")
    call_command("backup", str(tmp_path / "b"))
    with pytest.raises(CommandError, match="hold rows: expected an empty database"):
        call_command("restore", str(tmp_path / "b"))
    assert connection.execute("SELECT count(*) > 0 FROM gateway").fetchone() == (True,)
    with pytest.raises(CommandError, match="exists: expected a new name"):
        call_command("backup", str(tmp_path / "b"))


@pytest.mark.usefixtures("environ", "connection")
def test_it_refuses_another_schema_and_another_edition(queue: BatchQueue, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="the schema differs from the backup's in"):
        call_command("restore", str(write(tmp_path / "b")))
    call_command("backup", str(tmp_path / "own"))
    reader = ArchiveReader(tmp_path / "own")
    reader.close()
    other = "community" if reader.head.edition == "apache" else "apache"
    head = msgspec.structs.replace(reader.head, edition=other)
    with pytest.raises(CommandError, match=f"is from TimescaleDB's {other} edition"):
        call_command("restore", str(write(tmp_path / "other", head=head)))


def snapshot(connection: Connection) -> dict[str, Any]:
    """Every row of every table that a backup holds."""
    return {
        table.name: sorted(map(repr, read(connection, f'SELECT * FROM "{table.name}"')))
        for table in list_tables(connection)
    }


@pytest.mark.usefixtures("environ")
def test_it_brings_back_consumption_closed_months_and_what_was_noted(
    queue: BatchQueue, connection: Connection, clear: Callable[[], None], tmp_path: Path
) -> None:
    site = register(connection, Meter("cumulative", modulus=Decimal(1000)), billing_day=2)
    start = datetime(2026, 3, 1, tzinfo=UTC)

    def put_hours(*hours: int) -> None:
        values = [Value(start + hour * timedelta(hours=1), Decimal(hour)) for hour in hours]
        put(connection, [(site, value) for value in values])

    put_hours(0, 10, 100)
    refresh_aggregates(connection)
    close_month(site.account_id, month=date(2026, 3, 2), user_id=None, now=datetime.now(UTC))
    put_hours(20, 60)
    refresh_aggregates(connection)
    connection.execute(
        "INSERT INTO raw_horizon (dropped_before) VALUES (%s) ON CONFLICT (id) "
        "DO UPDATE SET dropped_before = excluded.dropped_before",
        [start],
    )
    put_hours(-30, 70)
    replace_register(connection, site, Replacement(start, Decimal(5), Decimal(0)))
    refresh_aggregates(connection)
    put_hours(80)
    saved = snapshot(connection)
    assert saved["frozen_hour"]
    assert saved["month_adjustment"]
    assert saved["dirty_hour"]
    call_command("backup", str(tmp_path / "b"))
    queue.redis.flushdb()
    clear()
    assert not snapshot(connection)["reading"]
    call_command("restore", str(tmp_path / "b"))
    assert snapshot(connection) == saved
    assert refresh_aggregates(connection).dirty == 1


def test_it_keeps_aggregates_whose_readings_were_dropped_and_goes_on_from_there(
    queue: BatchQueue, connection: Connection, clear: Callable[[], None], tmp_path: Path
) -> None:
    site = register(connection, Meter("delta"))
    start = datetime(2026, 11, 1, tzinfo=UTC)
    values = [Value(start + timedelta(hours=hours), Decimal(hours)) for hours in (1, 2, 50.2, 50.5)]
    put(connection, [(site, value) for value in values])
    refresh_aggregates(connection)
    dropped_before = start + timedelta(days=1)
    connection.execute("SELECT drop_chunks('reading', %s::timestamptz)", [dropped_before])
    connection.execute("DELETE FROM raw_horizon")
    connection.execute("INSERT INTO raw_horizon (dropped_before) VALUES (%s)", [dropped_before])
    before = read_figures(connection, site)
    assert len(before["hours"]) == 3
    call_command("backup", str(tmp_path / "b"))
    clear()
    call_command("restore", str(tmp_path / "b"))
    assert read_figures(connection, site) == before
    assert refresh_aggregates(connection).dirty == 0
    put(connection, [(site, Value(start + timedelta(hours=51.5), Decimal(7)))])
    refresh_aggregates(connection)
    after = read_figures(connection, site)["hours"]
    assert before["hours"].items() < after.items()
    assert after[start + timedelta(hours=51)][0] == 7
