"""Static files that were collected: compressed, under names of their content."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Files and the modules that they import are named by their content and kept for ever."""

    support_js_module_import_aggregation = True
    manifest_strict = False  # a library that names a file it does not ship breaks no page
