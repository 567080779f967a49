"""Edits of stored readings: applied and undone. Begin with apply.py; rules in README.md."""
