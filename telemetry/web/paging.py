"""Lists in pages, none of which costs more than it shows."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from msgspec import Struct

PAGE_ROWS = 50
MOST_PAGES = 1_000
"""Further ones are rejected: the database would read all the rows before them."""


class Page(Struct, frozen=True):
    """Rows of a list. `total` is None when they were not counted."""

    rows: Sequence[Any]
    number: int
    has_next: bool
    total: int | None = None

    @property
    def previous(self) -> int:
        """The number of the page before."""
        return self.number - 1

    @property
    def next(self) -> int:
        """The number of the page after."""
        return self.number + 1


class PageField(forms.IntegerField):
    """The GET parameter `page`."""

    def __init__(self) -> None:
        super().__init__(
            label=_("page"),
            required=False,
            min_value=1,
            max_value=MOST_PAGES,
            widget=forms.HiddenInput,
        )


def read_page(
    rows: QuerySet[Any], *, number: int | None, size: int = PAGE_ROWS, is_counted: bool = False
) -> Page:
    """A page of a list, the first one when `number` is None; counted only when `is_counted`."""
    number = number or 1
    start = (number - 1) * size
    listed = list(rows[start : start + size + 1])
    total = rows.order_by().count() if is_counted else None
    return Page(listed[:size], number, len(listed) > size, total)
