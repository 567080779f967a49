"""Reports as files and letters. The figures come from `telemetry.store.billing.monthly_report`."""
