"""The page of a user's sessions."""
