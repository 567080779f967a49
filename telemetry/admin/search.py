"""Search that takes MACs in any form: with colons, hyphens or nothing, in any case."""

from typing import Any

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Concat, Lower
from django.http import HttpRequest
from django.utils.text import smart_split, unescape_string_literal

from telemetry.core.topic import read_mac
from telemetry.models import Account, Gateway
from telemetry.store.operations.summaries import find_group_macs

MOST_FOUND = 500


class MacSearchMixin:
    """A list with a column `mac`, found by it alone when that is what was typed."""

    mac_field = "mac"
    found_first: tuple[str, ...] = ()
    """In which order rows count, where more are found than are listed."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By MAC, or as the list searches else."""
        mac = read_mac(search_term.strip())
        if mac is not None:
            return queryset.filter(**{self.mac_field: mac}), False
        return self.search_text(request, queryset, search_term)

    def search_text(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By anything else: one look through the rows, not one to count and another to list."""
        is_empty = not search_term.strip()
        found, has_duplicates = super().get_search_results(  # type: ignore[misc]
            request, queryset if is_empty else self.narrow_search(request, queryset), search_term
        )
        if is_empty:
            return found, has_duplicates
        first = found.order_by(*self.found_first)
        keys = list(first.values_list("pk", flat=True)[:MOST_FOUND])
        return queryset.filter(pk__in=keys), False

    def narrow_search(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that are looked through. What is found is counted and listed by its keys,
        without this: it would be done once more for each."""
        return queryset


def find_groups(
    queryset: QuerySet[Any], text: str, *, account: Account | None = None
) -> QuerySet[Any]:
    """Groups by a part of a MAC, of a gateway's code or name, of an account's name, or by the
    code of a device among the newest dead letters, of the account or of all."""
    return queryset.filter(
        Q(mac__contains=text.lower().replace("-", ":"))
        | Q(account__name__icontains=text)
        | Q(mac__in=find_group_macs(text, account_id=account.pk if account else None))
    )


def find_gateways(queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Gateways by a part of what they are called, or of their account's name."""
    named = _name(queryset, "code", "name", "location", "mac")
    found = named.filter(Q(called__contains=text.lower()) | Q(account__in=_find_accounts(text)))
    return queryset.filter(pk__in=_list_keys(found))


def find_devices(queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Devices in which each word is a part of what they, or their gateways, are called, or of their
    account's name."""
    found = _name(queryset, "code", "name", "group")
    for word in _split(text):
        gateways = _name(Gateway.objects.all(), "code", "mac").filter(called__contains=word.lower())
        found = found.filter(
            Q(called__contains=word.lower())
            | Q(gateway__in=gateways.order_by().values("pk"))
            | Q(account__in=_find_accounts(word))
        )
    return queryset.filter(pk__in=_list_keys(found))


def _name(queryset: QuerySet[Any], *columns: str) -> QuerySet[Any]:
    """With all columns as one text, `called`: one comparison for each row takes an eighth of the
    time of one for each column."""
    texts = [part for name in columns for part in (name, Value(" "))][:-1]
    named: QuerySet[Any] = queryset.annotate(called=Lower(Concat(*texts, output_field=TextField())))
    return named


def _split(text: str) -> list[str]:
    """The words of a search; what stands between quotes is one."""
    return [
        unescape_string_literal(word) if word[0] in "\"'" and word[0] == word[-1] else word
        for word in smart_split(text)
    ]


def _find_accounts(text: str) -> list[int]:
    return list(Account.objects.filter(name__icontains=text).values_list("pk", flat=True))


def _list_keys(found: QuerySet[Any]) -> list[int]:
    return list(found.order_by().values_list("pk", flat=True)[:MOST_FOUND])
