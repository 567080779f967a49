"""Logs of a person's console."""

from collections.abc import Iterator
from io import StringIO
from logging import StreamHandler, getLogger

import pytest

from config.logs import configure_logging
from config.options import LogOptions


@pytest.fixture
def console() -> Iterator[StringIO]:
    """What would be on the console."""
    root = getLogger()
    before, level = root.handlers[:], root.level
    configure_logging(LogOptions(format="console"))
    [handler] = root.handlers
    assert isinstance(handler, StreamHandler)
    stream = StringIO()
    handler.setStream(stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_it_shows_where_an_error_was_raised_and_no_values_of_variables(console: StringIO) -> None:
    password = "hush-" + "x" * 5
    try:
        raise ValueError(len(password))
    except ValueError:
        getLogger("test").exception("it failed")
    assert "ValueError: 10" in console.getvalue()
    assert "test_logs.py" in console.getvalue()
    assert password not in console.getvalue()
