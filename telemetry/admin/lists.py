"""What all lists have in common: how long a page is, and headings that are made once for it.

A row takes a web process 1 to 2 ms and 8 kB. django-unfold 0.91 makes the headings again for each
row, which takes a quarter of that.
"""

from typing import Any

from unfold.admin import ModelAdmin
from unfold.templatetags import unfold_list

ROWS = 50

_make_headers = unfold_list.result_headers


def make_headers_once(changelist: Any) -> list[dict[str, Any]]:
    """What django-unfold makes, kept with the list, which lives as long as the request."""
    if not hasattr(changelist, "made_headers"):
        changelist.made_headers = list(_make_headers(changelist))
    headers: list[dict[str, Any]] = changelist.made_headers
    return headers


unfold_list.result_headers = make_headers_once
ModelAdmin.list_per_page = ROWS
