"""Structured logs: one event a line, ASCII-safe, the same form in every process."""

import logging
import logging.config
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.options import LogOptions


def configure_logging(options: LogOptions) -> None:
    """Send structlog and the standard library's loggers to stderr in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared, _shorten_refusal],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_renderers(options.format),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(options.level.upper())
    # A line per task or request would be a line per batch: count them, do not log them.
    for noisy in ("celery.app.trace", "celery.worker.strategy", "kombu", "amqp", "django.server"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    for entry in options.part_levels:  # last, so that an operator has the last word
        part, _, level = entry.partition("=")
        logging.getLogger(part.strip()).setLevel(level.strip().upper())


def _shorten_refusal(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """What Django refuses, such as an unknown host, says why: a traceback adds nothing."""
    if line["logger"].startswith("django.security."):
        line.pop("exc_info", None)
    return line


def _renderers(form: str) -> list[Processor]:
    if form == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ]
    # Not rich's tracebacks, which structlog prefers: 0.6 s of CPU time each, and they show the
    # values of variables, passwords among them.
    console = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    return [_keep_in_one_line, console, _escape_non_ascii]


def _keep_in_one_line(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Whatever a library was given to log, it cannot look like another line. (Values of fields are
    quoted anyway; a traceback has lines of its own.)"""
    event = str(line.get("event", ""))
    if not event.isprintable():
        line["event"] = "".join(
            one if one.isprintable() else one.encode("unicode_escape").decode() for one in event
        )
    return line


def _escape_non_ascii(_: WrappedLogger, __: str, line: EventDict) -> str:
    """Emoji in logs crash terminals of other encodings (origin.md, lesson 3)."""
    return str(line).encode("ascii", "backslashreplace").decode("ascii")
