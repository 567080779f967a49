"""The release before beside this one, on one queue and database: `python -m tests.upgrade`."""
