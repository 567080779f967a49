"""Every text of pages has a Brazilian Portuguese translation, and means the same parts."""

import re
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
TEXT = Path("telemetry/locale/pt_BR/LC_MESSAGES/django.po")


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale="pt_BR")


def texts_of(message: Message) -> list[tuple[str, str]]:
    """Pairs of a text and its translation; two where a number decides."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    assert message.string is not None
    return list(zip(message.id, message.string, strict=True))


def test_it_translates_every_text_with_the_same_parts() -> None:
    wrong = [
        source
        for message in read(ROOT / TEXT)
        if message.id
        for source, translated in texts_of(message)
        if not translated or message.fuzzy or parts_of(source) != parts_of(translated)
    ]
    assert wrong == []


def parts_of(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)[a-z]", text))
