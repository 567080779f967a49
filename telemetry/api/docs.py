"""The documentation page, made from the OpenAPI document."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

from telemetry.api.reference import Reference, read_document


class Docs(DocsBase):
    """Open to all: the document tells what exists, not what anybody has."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        context = {
            "reference": read_reference(api),
            "document_url": self.get_openapi_url(api, kwargs),
            "host": f"{request.scheme}://{request.get_host()}",
            "limits": settings.OPTIONS.api,
        }
        return render(request, "telemetry/api/docs.html", context)


@cache
def read_reference(api: NinjaAPI) -> Reference:
    """Read once: the document does not change while the process lives."""
    return read_document(api.get_openapi_schema())
