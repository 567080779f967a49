"""How instants are written on pages: to the second, with the time zone."""
