"""Static files: compressed, under names of their content where they were collected; in no frame."""

from wsgiref.headers import Headers

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Files and the modules that they import are named by their content and kept for ever."""

    support_js_module_import_aggregation = True
    manifest_strict = False  # a library that names a file it does not ship breaks no page


def add_headers(headers: Headers, _path: str, _url: str) -> None:
    """Files come before the middleware that adds these to pages (`telemetry/web/headers.py`)."""
    policy = "frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    headers["Content-Security-Policy"] = policy
