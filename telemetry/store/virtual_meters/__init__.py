"""Months of virtual meters, and the balance of main meters (README.md)."""
