"""Readings voided or substituted, with approval and undoing."""
