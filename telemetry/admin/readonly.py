"""Lists of what only the workers write, cheap however many rows there are."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.decorators import display

from telemetry.admin.lists import KeysFirstPaginator

COUNTED_ROWS = 5_000


class CappedPaginator(KeysFirstPaginator):
    """Counts no further than `COUNTED_ROWS`: a full count of a large table takes minutes."""

    @cached_property
    def count(self) -> int:
        """Rows, or `COUNTED_ROWS` when there are as many or more."""
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED_ROWS].count())


class OrderedListMixin:
    """A list in exactly the order that its index has: Django would add the key, which in a view is
    computed and served by no index."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """The list's class, which leaves the order alone."""
        base = super().get_changelist(request, **kwargs)  # type: ignore[misc]

        class OrderedChangeList(base):  # type: ignore[misc, valid-type]
            def _get_deterministic_ordering(self, ordering: list[Any]) -> list[Any]:
                return ordering

        return OrderedChangeList


class NewWithoutTimeMixin:
    """The form of a new object is without `created_at`: the database sets it when it is saved."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """As they are said, less that one for a new object."""
        names = super().get_readonly_fields(request, obj)  # type: ignore[misc]
        return [name for name in names if obj is not None or name != "created_at"]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Nor is it asked for, where the model would let somebody enter it."""
        names = list(super().get_exclude(request, obj) or ())  # type: ignore[misc]
        return names if obj is not None else [*names, "created_at"]


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Look, search and filter; nothing else, whatever the user's permissions."""

    actions: list[str] | None = None
    list_filter_submit = True
    paginator: Any = CappedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def show_choice(
    field: str, description: Any, colours: Mapping[str, str], *, ordering: str | None = None
) -> Callable[[Any, Any], tuple[str, str]]:
    """A column that shows a field with choices as a badge. `colours`: the badge of each value."""

    @display(description=description, label=colours, ordering=ordering)
    def show(_admin: Any, row: Any) -> tuple[str, str]:
        return getattr(row, field), getattr(row, f"get_{field}_display")()

    return show  # type: ignore[no-any-return]
