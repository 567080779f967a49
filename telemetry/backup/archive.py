"""The file of a backup: a tar of zstd-compressed pieces, readable with common tools.

`backup.json` is its first member (version, migrations, tables and their columns), `contents.json`
its last (rows and bytes of every part): a file without it is not whole.
"""

import io
import os
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

if sys.version_info >= (3, 14):  # pragma: no cover - the locks cover 3.11 to 3.14
    from compression import zstd
else:
    from backports import zstd

VERSION = 1
PIECE_BYTES = 32_000_000
LEVEL = 3
HEAD = "backup.json"
CONTENTS = "contents.json"

T = TypeVar("T")


class BackupError(Exception):
    """A backup cannot be written or loaded. The text is one line for the operator."""


class Table(Struct, frozen=True):
    """A table and its columns, in the order of the data."""

    name: str
    columns: list[str]


class Head(Struct, frozen=True):
    """What must be known before anything is loaded. `taken_at` is an ISO 8601 instant."""

    version: int
    taken_at: str
    edition: str
    migrations: list[str]
    tables: list[Table]


class Part(Struct, frozen=True):
    """A part of the contents: a table, or the batches of the queue."""

    name: str
    rows: int
    bytes: int


class ArchiveWriter:
    """Writes beside `path` and gives the file its name when it is whole: end it with `finish` or
    `abort`. Raises `OSError`."""

    def __init__(self, path: Path, head: Head) -> None:
        self._path = path
        self._fresh = path.with_name(path.name + ".part")
        self._parts: list[Part] = []
        self._fresh.unlink(missing_ok=True)
        self._fresh.touch(mode=0o600)  # it holds password hashes
        self._tar = tarfile.open(self._fresh, "w")  # noqa: SIM115 - closed by `finish` or `abort`
        self._add(HEAD, msgspec.json.encode(head))

    def write_part(self, name: str, pieces: Iterable[bytes], *, rows: list[int]) -> None:
        """Write a part from its bytes. The last of `rows` is read when the pieces have ended."""
        compressor = zstd.ZstdCompressor(level=LEVEL)
        out, number, total = bytearray(), 0, 0
        for piece in pieces:
            total += len(piece)
            out += compressor.compress(piece)
            if len(out) >= PIECE_BYTES:
                self._add(f"{name}/{number:06d}.zst", bytes(out))
                out, number = bytearray(), number + 1
        out += compressor.flush()
        self._add(f"{name}/{number:06d}.zst", bytes(out))
        self._parts.append(Part(name, rows[-1], total))

    def finish(self) -> None:
        """Write the list of contents, put the file on disk and under its name."""
        self._add(CONTENTS, msgspec.json.encode(self._parts))
        self._tar.close()
        with self._fresh.open("rb") as file:
            os.fsync(file.fileno())
        self._fresh.replace(self._path)

    def abort(self) -> None:
        """Leave nothing behind."""
        self._tar.close()
        self._fresh.unlink(missing_ok=True)

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        member.mode = 0o600
        self._tar.addfile(member, io.BytesIO(data))


class ArchiveReader:
    """Reads a backup from front to end. Raises `BackupError` for a file that is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed by `close`
        except tarfile.TarError as error:
            raise BackupError(f"{path}: this is no backup: {error}") from error
        try:
            self.head = self._decode(HEAD, Head, missing="this is no backup")
            if self.head.version != VERSION:
                raise BackupError(
                    f"{path}: backup of format {self.head.version}: expected {VERSION}; "
                    "load it with the release that wrote it"
                )
            parts = self._decode(CONTENTS, list[Part], missing="not whole: its end is missing")
        except BaseException:
            self.close()
            raise
        self.parts = {part.name: part for part in parts}

    def read_part(self, name: str) -> Iterator[bytes]:
        """The bytes of a part, in pieces. Raises `BackupError` when they are not as written."""
        decompressor, number, total = zstd.ZstdDecompressor(), 0, 0
        while True:
            try:
                piece = self._read(f"{name}/{number:06d}.zst")
            except KeyError:
                break
            try:
                data = decompressor.decompress(piece)
            except zstd.ZstdError as error:
                raise BackupError(f"{self._path}: {name} is damaged: {error}") from error
            total += len(data)
            number += 1
            yield data
        if total != self.parts[name].bytes:
            raise BackupError(
                f"{self._path}: {name} has {total} bytes: expected {self.parts[name].bytes}"
            )

    def close(self) -> None:
        """Close the file."""
        self._tar.close()

    def _read(self, name: str) -> bytes:
        member = self._tar.extractfile(name)
        assert member is not None  # only plain members are written
        with member:
            return member.read()

    def _decode(self, name: str, kind: type[T], *, missing: str) -> T:
        try:
            return msgspec.json.decode(self._read(name), type=kind)
        except (tarfile.TarError, KeyError, EOFError) as error:
            raise BackupError(f"{self._path}: {missing} ({name})") from error
        except msgspec.MsgspecError as error:
            raise BackupError(f"{self._path}: {name} cannot be read: {error}") from error
