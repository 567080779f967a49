"""The database session: connection, errors, edition, locks, and the named queries of .sql files."""
