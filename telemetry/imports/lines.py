"""Take a stream apart into lines, with bounded memory. Pure: any binary stream will do."""

from collections.abc import Iterator
from typing import IO

from msgspec import Struct

MAX_LINE_BYTES = 1_048_576
"""The largest packet that the broker takes. Of a longer line one byte more is kept: every limit of
the contract still sees that it is too large."""

BOM = b"\xef\xbb\xbf"
_PIECE_BYTES = MAX_LINE_BYTES + 3  # the line, one byte more, and its end


class Line(Struct, frozen=True, gc=False):
    """A line without its end. `number` counts from 1; `end`: bytes of the stream up to the next
    line."""

    number: int
    end: int
    body: bytes

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing but white space."""
        return not self.body or self.body.isspace()


def read_lines(stream: IO[bytes]) -> Iterator[Line]:
    """Every line of a stream from its beginning; a byte order mark is left out."""
    number = end = 0
    while piece := stream.readline(_PIECE_BYTES):
        number += 1
        end += len(piece)
        if len(piece) == _PIECE_BYTES and not piece.endswith(b"\n"):
            end += _skip_rest(stream)
        if number == 1:
            piece = piece.removeprefix(BOM)
        body = piece.removesuffix(b"\n").removesuffix(b"\r")
        yield Line(number, end, body[: MAX_LINE_BYTES + 1])


def _skip_rest(stream: IO[bytes]) -> int:
    """Read to the end of the line; how many bytes."""
    skipped = 0
    while piece := stream.readline(_PIECE_BYTES):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped
