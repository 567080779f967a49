"""One module for each part of the API; `telemetry.api.service` puts them together."""
