"""Pages of lists: opaque cursors, and the link to the next page.

A cursor holds the key of the last row of a page, so a page costs the same wherever it begins,
and rows that come or go meanwhile shift nothing. It is not signed: it can only say where to go on
within what its bearer may see anyway.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from pydantic import BaseModel, Field

from telemetry.api.problems import ParameterError
from telemetry.api.values import EARLIEST, LATEST, MOST_ID, Limit, write_instant

Item = TypeVar("Item")

Cursor = Annotated[
    str | None,
    Field(
        max_length=120,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="where to go on: take the address in `next` instead of making one",
    ),
]
MICROSECOND = timedelta(microseconds=1)


class Page(BaseModel, Generic[Item]):
    """Rows, and the address of the next ones."""

    items: list[Item]
    next: Annotated[str | None, Field(description="address of the next page; null on the last one")]


class Paging(BaseModel):
    """Which page, and how long."""

    limit: Limit = 100
    cursor: Cursor = None

    def conditions(self) -> dict[str, Any]:
        """The other parameters, as arguments of `QuerySet.filter`."""
        return self.model_dump(exclude={"limit", "cursor"}, exclude_none=True)


def cut_page(
    rows: Sequence[Any],
    *,
    key: Callable[[Any], tuple[int, ...]],
    request: HttpRequest,
    paging: Paging,
    **pinned: Any,
) -> dict[str, Any]:
    """The content of a `Page`, from one row more than fits when there are more.

    `pinned`: parameters whose default moves with the clock, so that all pages are of one period.
    """
    following = None
    if len(rows) > paging.limit:
        following = link_next(request, *key(rows[paging.limit - 1]), **pinned)
    return {"items": rows[: paging.limit], "next": following}


def page_by_id(
    rows: "QuerySet[Any]", *, request: HttpRequest, paging: Paging, name: str = "pk"
) -> dict[str, Any]:
    """A page of rows in the order of their ids, or of another unique number `name`."""
    after = read_cursor(paging.cursor, parts=1)
    if after is not None:
        rows = rows.filter(**{f"{name}__gt": after[0]})
    return cut_page(
        list(rows.order_by(name)[: paging.limit + 1]),
        key=lambda row: (getattr(row, name),),
        request=request,
        paging=paging,
    )


def page_newest_first(
    rows: "QuerySet[Any]", *, at: str, request: HttpRequest, paging: Paging
) -> dict[str, Any]:
    """A page of rows in the order of the instant in the field `at`, the latest first."""
    key = read_cursor(paging.cursor, parts=2)
    if key:
        last = read_micros(key[0])
        is_after = Q(**{f"{at}__lt": last}) | Q(**{at: last}, pk__lt=key[1])
        rows = rows.filter(is_after, **{f"{at}__lte": last})
    return cut_page(
        list(rows.order_by(f"-{at}", "-pk")[: paging.limit + 1]),
        key=lambda row: (write_micros(getattr(row, at)), row.pk),
        request=request,
        paging=paging,
    )


def write_cursor(*key: int) -> str:
    """The key of a row as a cursor."""
    return urlsafe_b64encode(".".join(map(str, key)).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *, parts: int) -> tuple[int, ...] | None:
    """The key in a cursor, None without one. Raises `ParameterError`."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        key = tuple(map(int, text.split(".")))
    except (BadBase64, ValueError):
        raise _bad_cursor() from None
    if len(key) != parts or not all(0 <= part <= MOST_ID for part in key):
        raise _bad_cursor()
    return key


def write_micros(at: datetime) -> int:
    """An instant as a part of a key."""
    return (at - EARLIEST) // MICROSECOND


def read_micros(micros: int) -> datetime:
    """The instant in a part of a key. Raises `ParameterError`."""
    if micros > write_micros(LATEST):
        raise _bad_cursor()
    return EARLIEST + micros * MICROSECOND


def read_ordinal(ordinal: int) -> date:
    """The day in a part of a key. Raises `ParameterError`."""
    if not 0 < ordinal <= LATEST.date().toordinal():
        raise _bad_cursor()
    return date.fromordinal(ordinal)


def link_next(request: HttpRequest, *key: int, **pinned: Any) -> str:
    """The address of the page after the row with this key."""
    parameters = request.GET.copy()
    for name, value in pinned.items():
        parameters[name] = write_instant(value) if isinstance(value, datetime) else str(value)
    parameters["cursor"] = write_cursor(*key)
    return request.build_absolute_uri(f"{request.path}?{parameters.urlencode()}")


def _bad_cursor() -> ParameterError:
    return ParameterError("cursor", "expected the one in `next` of a page of this list")
