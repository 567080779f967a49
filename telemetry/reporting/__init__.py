"""Reports as files and e-mails. The values come from `telemetry.store.billing.monthly_report`."""
