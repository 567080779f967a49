"""Members of accounts, their rights, and their API tokens."""
