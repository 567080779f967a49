"""The aggregates computed again from readings, compared, repaired. Begin with verify.py."""
