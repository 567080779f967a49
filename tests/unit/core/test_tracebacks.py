"""Of a traceback, the log has places and kinds of errors, and no values."""

import traceback

from telemetry.core.tracebacks import list_frames

SECRET, WORD = "what a gateway sent", "hush"


def fail(text: str) -> None:
    try:
        raise ValueError(f"a line\n{WORD}")
    except ValueError as error:
        raise RuntimeError(f"{text}\nof two lines: {text}") from error


def test_it_shows_where_it_failed_and_not_with_what() -> None:
    try:
        fail(SECRET)
    except RuntimeError:
        shown = list_frames(traceback.format_exc())
    assert SECRET not in shown
    assert WORD not in shown
    assert "\n" not in shown
    assert "ValueError" in shown
    assert "RuntimeError" in shown
    assert shown.count("test_tracebacks.py:") == 3
    assert " fail" in shown


def test_it_leaves_what_is_no_traceback() -> None:
    assert list_frames("no end after 2 starts") == "no end after 2 starts"
