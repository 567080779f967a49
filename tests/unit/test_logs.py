"""Logs in both forms: they tell where, and keep values to themselves."""

from collections.abc import Iterator
from io import StringIO
from logging import StreamHandler, getLogger

import pytest
import structlog
from django.core.exceptions import DisallowedHost

from config.logs import configure_logging
from config.options import LogOptions


@pytest.fixture(params=["console", "json"])
def logged(request: pytest.FixtureRequest) -> Iterator[StringIO]:
    """What would be in the log of each form."""
    root = getLogger()
    before, level = root.handlers[:], root.level
    configure_logging(LogOptions(format=request.param))
    [handler] = root.handlers
    assert isinstance(handler, StreamHandler)
    stream = StringIO()
    handler.setStream(stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_it_shows_where_an_error_was_raised_and_no_values_of_variables(logged: StringIO) -> None:
    password = "hush-" + "x" * 5
    try:
        raise ValueError(len(password))
    except ValueError:
        getLogger("test").exception("it failed")
    assert "ValueError: 10" in logged.getvalue()
    assert "test_logs.py" in logged.getvalue()
    assert password not in logged.getvalue()


def test_it_keeps_what_somebody_typed_in_one_line(logged: StringIO) -> None:
    structlog.get_logger("test").warning("sign_in_failed", user="ana\nsigned_in user=ana\x1b[2J")
    assert logged.getvalue().count("\n") == 1
    assert "\x1b" not in logged.getvalue()


def test_it_says_in_one_line_what_was_refused(logged: StringIO) -> None:
    try:
        raise DisallowedHost("Invalid HTTP_HOST header: 'x'")
    except DisallowedHost as error:
        getLogger("django.security.DisallowedHost").error(str(error), exc_info=True)
    assert logged.getvalue().count("\n") == 1
    assert "Traceback" not in logged.getvalue()
