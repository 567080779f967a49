"""Hours, days and months, kept current by the refresh (README.md)."""
