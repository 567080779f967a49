"""A user's personal tokens for the API."""
