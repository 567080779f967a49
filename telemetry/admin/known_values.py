"""A filter by the values of a column, where finding them takes longer than the list itself."""

from typing import Any

from django.contrib.admin import AllValuesFieldListFilter
from django.core.cache import cache
from django.http import HttpRequest

from telemetry.accounts.staff import name_given, sees_every_account

KEPT_S = 60


class KnownValuesFilter(AllValuesFieldListFilter):
    """Who sees every account gets the values as of the last minute; others, those of theirs."""

    def __init__(self, field: Any, request: HttpRequest, *rest: Any, **named: Any) -> None:
        super().__init__(field, request, *rest, **named)
        rows = name_given(request, field.model.objects.order_by(field.name))
        values: Any = rows.values_list(field.name, flat=True).distinct()
        if sees_every_account(request.user):
            key = f"values-{field.model._meta.label}-{field.name}"
            values = cache.get_or_set(key, lambda: list(values), KEPT_S)
        self.lookup_choices = values
