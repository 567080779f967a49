"""Hold a process to the rules across settings before it serves."""

import sys

from django.core.checks import run_checks


def stop_on_errors(*, exit_code: int) -> None:
    """Stop with one line an error when a check of ours fails. Django must be set up."""
    errors = [found for found in run_checks(tags=["telemetry"]) if found.is_serious()]
    for error in errors:
        print(f"error: {error.msg} ({error.id})", file=sys.stderr)
    if errors:
        raise SystemExit(exit_code)
