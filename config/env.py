"""The one typed reader of settings, for Django, Celery and the bridge alike.

A settings class is a frozen dataclass whose fields are made by `setting()`: name, type, default,
unit, bounds and help stand in one place. `read_options` fills it from the environment. A field
whose annotation is another settings class is read with it.

Secrets are also read from the file that `<NAME>_FILE` names (Docker and Kubernetes secrets).
"""

import dataclasses
import math
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

Options = TypeVar("Options")

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off")


class SettingError(ValueError):
    """A setting is missing or wrong. The text is one line for the operator."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """How one environment variable is read."""

    name: str
    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    is_secret: bool = False


def setting(
    name: str,
    help: str,  # noqa: A002 - the word that argparse uses
    *,
    default: Any = dataclasses.MISSING,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    is_secret: bool = False,
) -> Any:
    """Declare a field that is read from the environment variable `name`."""
    described = Setting(name, help, unit, minimum, maximum, choices, is_secret)
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata={"setting": described}, repr=not is_secret)
    return dataclasses.field(default=default, metadata={"setting": described}, repr=not is_secret)


def list_settings(options: type) -> Iterator[tuple[Setting, type, Any]]:
    """Every setting of a class with its type and default (`MISSING` when required)."""
    hints = get_type_hints(options)
    for field in dataclasses.fields(options):
        described = field.metadata.get("setting")
        if described is None:
            yield from list_settings(hints[field.name])
        else:
            yield described, hints[field.name], field.default


def read_options(
    options: type[Options],
    environ: Mapping[str, str] | None = None,
    *,
    given: Mapping[str, str] | None = None,
) -> Options:
    """Fill a settings class. Values in `given` (command line) win over the environment.

    Raises `SettingError` with one line that names the setting, its value and what is expected.
    """
    source = {**(os.environ if environ is None else environ), **(given or {})}
    hints = get_type_hints(options)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        described = field.metadata.get("setting")
        if described is None:
            values[field.name] = read_options(hints[field.name], source)
        else:
            values[field.name] = _read(described, hints[field.name], field.default, source)
    try:
        return options(**values)
    except SettingError:
        raise
    except ValueError as error:
        raise SettingError(str(error)) from error


def read_or_exit(options: type[Options]) -> Options:
    """Fill a settings class. A wrong setting ends the process: one line, no traceback, status 2."""
    try:
        return read_options(options)
    except SettingError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def _read(described: Setting, kind: type, default: Any, source: Mapping[str, str]) -> Any:
    text = source.get(described.name, "")
    if not text and described.is_secret:
        text = _read_secret_file(described, source)
    if not text:
        if default is dataclasses.MISSING:
            also = f" or {described.name}_FILE" if described.is_secret else ""
            raise SettingError(
                f"{described.name} is not set: expected {described.help}; "
                f"set {described.name}{also}"
            )
        return default
    return parse_value(described, kind, text)


def _read_secret_file(described: Setting, source: Mapping[str, str]) -> str:
    path = source.get(f"{described.name}_FILE", "")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"{described.name}_FILE={path!r} cannot be read ({error}): expected a text file "
            "that holds the secret"
        ) from error


def parse_value(described: Setting, kind: type, text: str) -> Any:
    """One value from its text. Raises `SettingError`; a secret's value is never shown."""
    shown = "(hidden)" if described.is_secret else repr(text)
    if kind is bool:
        word = text.strip().lower()
        if word in TRUE_WORDS or word in FALSE_WORDS:
            return word in TRUE_WORDS
        raise SettingError(
            f"{described.name}={shown}: expected one of {', '.join(TRUE_WORDS + FALSE_WORDS)}"
        )
    if kind in (int, float):
        return _parse_number(described, kind, text, shown)
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if described.choices and text not in described.choices:
        raise SettingError(
            f"{described.name}={shown}: expected one of {', '.join(described.choices)}"
        )
    return text


def _parse_number(described: Setting, kind: type, text: str, shown: str) -> Any:
    unit = f" {described.unit}" if described.unit else ""
    low, high = described.minimum, described.maximum
    bounds = f" from {low:g} to {high:g}" if low is not None and high is not None else ""
    expected = f"expected {'a whole number' if kind is int else 'a number'}{bounds}{unit}"
    try:
        number = kind(text)
    except ValueError as error:
        raise SettingError(f"{described.name}={shown}: {expected}") from error
    too_low = low is not None and not number >= low
    too_high = high is not None and not number <= high
    if too_low or too_high or not math.isfinite(number):
        raise SettingError(f"{described.name}={shown}: {expected}")
    return number
