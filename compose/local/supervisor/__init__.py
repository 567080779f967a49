"""The processes of a stack and their supervisor."""
