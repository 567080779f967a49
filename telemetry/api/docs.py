"""The documentation page: Swagger UI from django-ninja's own files, without inline script."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

POLICY = "default-src 'self'; img-src 'self' data:"
"""Swagger UI's style sheet holds its arrows as data addresses."""


class Docs(DocsBase):
    """Open to all: the document tells what exists, not what anybody has."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        context = {"api": api, "document_url": self.get_openapi_url(api, kwargs)}
        response = render(request, "telemetry/api/docs.html", context)
        response.headers["Content-Security-Policy"] = POLICY
        return response
