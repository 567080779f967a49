"""The page that asks before an action is run; the form that it shows says `confirmed`."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse


def ask_first(
    model_admin: Any,
    request: HttpRequest,
    *,
    title: Any,
    question: str,
    button: Any,
    action: str = "",
    ids: Iterable[Any] = (),
    rows: Iterable[str] = (),
    has_note: bool = False,
    choices: Iterable[tuple[str, Any]] = (),
) -> HttpResponse:
    """The page. `rows` lists what will change. `action` and `ids` send a list's action again.
    `choices`: values and labels of a choice, which comes back as `choice`."""
    opts = model_admin.opts
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title, "opts": opts, "question": question, "button": button, "action": action,
        "ids": ids, "rows": rows, "has_note": has_note, "choices": list(choices),
        "back": reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"),
    }  # fmt: skip
    return TemplateResponse(request, "telemetry/admin/confirm.html", context)
