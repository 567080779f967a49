"""Fleets loaded from JSON, and what follows a change of the fleet."""
