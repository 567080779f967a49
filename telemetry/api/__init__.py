"""The API under /api/v1. Imported by the URLs of the web process alone."""
