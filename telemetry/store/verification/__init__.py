"""The aggregates computed a second time from the raw readings, compared and repaired."""
