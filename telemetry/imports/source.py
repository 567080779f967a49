"""The file of an import: its form, its fingerprint, its lines."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from msgspec import Struct

from telemetry.imports.converters import (
    Converter,
    HeaderError,
    convert_csv,
    convert_jsonl,
    read_header,
)
from telemetry.imports.lines import Line, read_lines

SUFFIXES = (".csv", ".jsonl", ".csv.gz", ".jsonl.gz")
_BLOCK_BYTES = 1_048_576


class SourceError(Exception):
    """The file cannot be imported as it is. The text is one line for the operator."""


class Fingerprint(Struct, frozen=True):
    """What the file holds, unpacked: SHA-256 in hex, and bytes."""

    sha256: str
    size: int


class Source:
    """A CSV or JSONL file, perhaps packed by gzip. Raises `SourceError` at every step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        name = path.name.lower()
        if not name.endswith(SUFFIXES):
            raise self._error(f"expected a name that ends in {', '.join(SUFFIXES)}")
        self.is_csv = name.removesuffix(".gz").endswith(".csv")
        self._is_packed = name.endswith(".gz")
        self._state = self._look()
        if not self._state[0]:
            raise self._error("is empty: expected readings")

    def fingerprint(self, on_size: Callable[[int], None] = lambda _: None) -> Fingerprint:
        """Read the whole file once; `on_size` gets the bytes so far.

        The same lines have the same fingerprint, packed or not.
        """
        digest, size = hashlib.sha256(), 0
        with self._open() as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                on_size(size)
        return Fingerprint(digest.hexdigest(), size)

    @contextmanager
    def read(self, *, prefix: str) -> Iterator[tuple[Iterator[Line], Converter]]:
        """The lines after the header, if there is one, and what makes messages of them."""
        with self._open() as stream:
            lines = read_lines(stream)
            yield lines, self._choose_converter(lines, prefix)

    def check_unchanged(self) -> None:
        """Raises `SourceError` when somebody wrote to the file since it was first read."""
        if self._look() != self._state:
            raise self._error("was changed while it was read: import it again when it is whole")

    def _choose_converter(self, lines: Iterator[Line], prefix: str) -> Converter:
        if not self.is_csv:
            return convert_jsonl(prefix)
        for line in lines:
            if line.is_empty:
                continue
            try:
                return convert_csv(prefix, read_header(line.body))
            except HeaderError as error:
                raise self._error(str(error)) from None
        raise self._error("is empty: expected a header and readings")

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        try:
            with self.path.open("rb") as file:
                if self._is_packed:
                    with gzip.open(file) as unpacked:
                        yield io.BufferedReader(unpacked, _BLOCK_BYTES)
                else:
                    yield cast(IO[bytes], file)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise self._error(f"cannot be unpacked: {error}") from None
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror or error}") from None

    def _look(self) -> tuple[int, int]:
        try:
            stat = self.path.stat()
        except OSError as error:
            raise self._error(f"{error.strerror}: expected a file") from None
        if not self.path.is_file():
            raise self._error("is no file: expected one that can be read twice")
        return stat.st_size, stat.st_mtime_ns

    def _error(self, text: str) -> SourceError:
        return SourceError(f"FILE={str(self.path)!r}: {text}")
