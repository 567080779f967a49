"""Moves of gateways to other accounts, for the admin. Begin with moving.py."""
