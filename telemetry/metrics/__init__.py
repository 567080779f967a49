"""Metrics for Prometheus, read from what Redis and the database hold anyway (README.md)."""
