"""The documentation page, made from the OpenAPI document."""

import json
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

from telemetry.api.reference import Reference, read_document

EXAMPLES = (
    ("days.sh", _("With curl")),
    ("bands.sh", _("Time-of-use bands and holidays with curl")),
    ("client.py", _("A small client in Python")),
    ("grafana.yaml", _("Grafana, Infinity data source")),
    ("grafana.json", _("A query of it: consumption by day")),
    ("webhook.py", _("A receiver of a webhook")),
)
"""Files in `templates/telemetry/api/examples`; a test runs them."""


_COMPRESS = GZipMiddleware(lambda _request: HttpResponse())


class Docs(DocsBase):
    """Open to all: the document tells what exists, not what anybody has."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        context = {
            "reference": read_reference(api),
            "document_url": self.get_openapi_url(api, kwargs),
            "host": f"{request.scheme}://{request.get_host()}",
            "limits": settings.OPTIONS.api,
            "examples": EXAMPLES,
            "payload": read_payload(),
        }
        answer = render(request, "telemetry/api/docs.html", context)
        _COMPRESS.process_response(request, answer)  # in place
        return answer


@cache
def read_payload() -> str:
    """A call of a webhook, as `telemetry/alarms/payload.py` makes it."""
    device = {"id": 7, "code": "T-03", "name": "Boiler"}
    alarm = {
        "id": 9, "kind": "above", "value": "85.5", "limit": "80", "unit": "\u00b0C", "detail": "",
        "device": device, "gateway": {"id": 2, "code": "GW1", "name": ""},
        "opened_at": "2026-11-20T11:59:00+00:00", "closed_at": None, "acknowledged_at": None,
        "url": "https://...",
    }  # fmt: skip
    call = {
        "event": "raised", "delivery_id": 12,
        "account": {"id": 3, "name": "Alpha", "time_zone": "America/Sao_Paulo"},
        "rule": {"id": 5, "name": "", "kind": "above"}, "alarms_count": 1, "alarms": [alarm],
    }  # fmt: skip
    return json.dumps(call, indent=2, ensure_ascii=False)


@cache
def read_reference(api: NinjaAPI) -> Reference:
    """Read once: the document does not change while the process lives."""
    return read_document(api.get_openapi_schema())
