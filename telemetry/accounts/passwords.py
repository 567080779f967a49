"""Which passwords are too common; passwords that commands set, held to the rules of the pages."""

import re
import string

from django.contrib.auth.password_validation import CommonPasswordValidator, validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from telemetry.models import User

OUR_WORDS = frozenset(
    {"tds", "telemetry", "telemetria", "tdstelemetry", "tdstelemetria", "gateway", "mosquitto",
     "energia", "energy", "medidor", "medidores", "leitura", "leituras", "consumo"}
)  # fmt: skip
"""Words of this product and its trade: nobody's password."""
PADDING = string.digits + string.punctuation + string.whitespace
INSTEAD_OF_LETTERS = str.maketrans("013457@$!", "oieastasi")
REPEATED = re.compile(r"(.+?)\1+")
LONGEST_REPEATED = 64
SHORTEST_UNIT = 5


class CommonPassword(CommonPasswordValidator):
    """Django's list of common passwords has few of twelve characters. What pads a shorter one, or
    one of `OUR_WORDS`, with digits and signs, repeats it, or writes it with digits counts as it."""

    def __init__(self) -> None:
        super().__init__()
        self._words = self.passwords | OUR_WORDS

    def validate(self, password: str, user: User | None = None) -> None:
        """Raise `ValidationError` with Django's text."""
        bare = password.lower().strip(PADDING)
        for text in (password.lower(), bare, bare.translate(INSTEAD_OF_LETTERS)):
            unit = find_unit(text)
            is_short = unit != text and len(unit) < SHORTEST_UNIT
            if is_short or not {text, unit}.isdisjoint(self._words):
                raise ValidationError(self.get_error_message(), code="password_too_common")


def find_unit(text: str) -> str:
    """What a text repeats; the text itself when it repeats nothing."""
    repeated = REPEATED.fullmatch(text) if len(text) <= LONGEST_REPEATED else None
    return repeated[1] if repeated else text


def require_strong_password(password: str, *, user: User, setting: str) -> None:
    """Raise `CommandError` in one line, without the password, when the rules reject it."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        reasons = " ".join(error.messages)
        raise CommandError(f"{setting}=(hidden): {reasons}", returncode=2) from error
