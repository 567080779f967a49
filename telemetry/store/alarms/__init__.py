"""Readings evaluated against the limits of their devices (README.md)."""
