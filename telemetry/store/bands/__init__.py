"""Consumption by time-of-use band, and 15-minute demand (README.md)."""
