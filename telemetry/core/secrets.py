"""Whether a secret can be guessed: too short, too uniform, or one that examples use."""

import re

SHORTEST = 16
FEWEST_CHARACTERS = 6
EXAMPLES = re.compile(
    r"change.?(me|it|this)|pass(word|wort)?|senha|secret|default|example|django-insecure|dummy"
    r"|^(demo|test|admin|postgres|redis|telemetry|tds)",
    re.IGNORECASE,
)
LONG = 40
"""A text of that length may contain such a word by chance."""


def find_weakness(secret: str) -> str | None:
    """What is wrong with it, without showing it; None when nothing is."""
    if len(secret) < SHORTEST:
        return f"shorter than {SHORTEST} characters"
    if len(set(secret)) < FEWEST_CHARACTERS:
        return f"fewer than {FEWEST_CHARACTERS} different characters"
    if EXAMPLES.search(secret) and (len(secret) < LONG or secret.startswith("django-insecure")):
        return "it looks like one of an example"
    return None
