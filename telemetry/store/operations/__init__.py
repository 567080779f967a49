"""Status of the pipeline, delivery report, housekeeping, totals of imports."""
