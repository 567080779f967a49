"""Reports as files and letters. The figures come from `telemetry.store.reports`."""
