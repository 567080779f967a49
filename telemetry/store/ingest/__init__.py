"""A batch's messages into the database, exactly once."""
