"""Logs in both forms: they tell where, and keep values to themselves."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from logging import Logger, StreamHandler, getLogger
from pathlib import Path

import pytest
import structlog
from django.core.exceptions import DisallowedHost

from config.env import SettingError, read_options
from config.logs import configure_logging
from config.options import LogOptions


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The loggers of the tests, afterwards."""
    root = getLogger()
    handlers, level = root.handlers[:], root.level
    named = [one for one in root.manager.loggerDict.values() if isinstance(one, Logger)]
    levels = {one: one.level for one in named}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for one in root.manager.loggerDict.values():
        if isinstance(one, Logger):
            one.setLevel(levels.get(one, 0))


def log_with(options: LogOptions) -> StringIO:
    """What would be in the log from now on."""
    configure_logging(options)
    [handler] = getLogger().handlers
    assert isinstance(handler, StreamHandler)
    stream = StringIO()
    handler.setStream(stream)
    return stream


@pytest.fixture(params=["console", "json"])
def logged(request: pytest.FixtureRequest) -> StringIO:
    """The log in each form."""
    return log_with(LogOptions(format=request.param))


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


def test_it_writes_ascii_alone(logged: StringIO) -> None:
    getLogger("test").warning("M\u00f3dulo \U0001f600 \u2028 %s", "\u00e7\x00")
    structlog.get_logger("test").warning("x", account="S\u00e3o Jo\u00e3o \U0001f600")
    assert logged.getvalue().isascii()
    assert logged.getvalue().count("\n") == 2
    assert "\x00" not in logged.getvalue()


def test_it_lets_no_library_write_what_looks_like_another_line(logged: StringIO) -> None:
    getLogger("test").warning("no user %s", "x\n2026-01-01T00:00:00Z [info] signed_in user=root")
    assert logged.getvalue().count("\n") == 1


def test_it_writes_an_event_with_its_fields_in_one_line_of_json() -> None:
    lines = log_with(LogOptions(format="json"))
    structlog.get_logger("workers.ingest").error("message_isolated", batch_id="b", gateway="m")
    try:
        raise ValueError
    except ValueError:
        getLogger("django.request").exception("of two\nlines")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert datetime.fromisoformat(first.pop("timestamp")).tzinfo is not None
    assert first == {
        "event": "message_isolated", "batch_id": "b", "gateway": "m", "level": "error",
        "logger": "workers.ingest",
    }  # fmt: skip
    assert second["event"] == "of two\nlines"
    assert "ValueError" in second["exception"]


def test_it_has_levels_by_part() -> None:
    lines = log_with(
        LogOptions(level="warning", part_levels=("workers.ingest=debug", "kombu = info"))
    )
    structlog.get_logger("workers.ingest").debug("claims_not_renewed")
    structlog.get_logger("workers.maintenance").info("task_done")
    getLogger("kombu.connection").info("kombu speaks")
    getLogger("celery.app.trace").info("a line for each task")
    written = lines.getvalue()
    assert "claims_not_renewed" in written
    assert "kombu speaks" in written
    assert "task_done" not in written
    assert "a line for each task" not in written


@pytest.mark.parametrize("text", ["debug", "=debug", "workers.ingest=", "x=loud", "a=info;b=info"])
def test_it_says_what_levels_by_part_look_like(text: str) -> None:
    with pytest.raises(SettingError, match=r"LOG_LEVELS='.*': expected PART=LEVEL"):
        read_options(LogOptions, {"LOG_LEVELS": text})


def test_it_reads_levels_by_part_from_the_environment() -> None:
    options = read_options(LogOptions, {"LOG_LEVELS": "workers.ingest=debug, django=error"})
    assert options.part_levels == ("workers.ingest=debug", "django=error")


EVENT = re.compile(r"\blog\.(?:debug|info|warning|error)\(\s*f?\"([^\"]*)\"", re.DOTALL)


def test_it_names_every_event_in_one_word_without_values() -> None:
    """A line is found by its event's name; what varies is in fields beside it."""
    found = [
        (str(path), event)
        for folder in ("telemetry", "workers", "ingest_bridge", "config")
        for path in Path(folder).rglob("*.py")
        for event in EVENT.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(found) > 80
    assert [one for one in found if not re.fullmatch(r"[a-z]+(_[a-z]+)*", one[1])] == []
