"""Hold a process to the rules across settings before it serves."""

import sys

from django.core.checks import run_checks


def stop_on_errors(*, exit_code: int) -> None:
    """Stop with one line an error when a check of ours fails. Django must be set up."""
    found = run_checks(tags=["telemetry"])
    errors = [each for each in found if each.is_serious() and not each.is_silenced()]
    for error in errors:
        print(f"error: {error.msg} ({error.id})", file=sys.stderr)
    if errors:
        raise SystemExit(exit_code)
