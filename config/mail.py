"""Django's settings for e-mail, from `config.options.MailOptions`."""

from typing import Any
from urllib.parse import unquote, urlsplit

from config.options import MailOptions

TIMEOUT_S = 20
PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


def make_mail_settings(options: MailOptions) -> dict[str, Any]:
    """`EMAIL_*` settings. Without an address sending fails, and says which setting is missing."""
    address = urlsplit(options.url)
    common = {"DEFAULT_FROM_EMAIL": options.sender, "SERVER_EMAIL": options.sender}
    if not options.url:
        return {**common, "EMAIL_BACKEND": "telemetry.mail.backend.NoMail"}
    if address.scheme == "file":
        return {
            **common,
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": unquote(address.path),
        }
    return {
        **common,
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": address.hostname,
        "EMAIL_PORT": address.port or PORTS[address.scheme],
        "EMAIL_HOST_USER": unquote(address.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(address.password or ""),
        "EMAIL_USE_TLS": address.scheme == "smtp",
        "EMAIL_USE_SSL": address.scheme == "smtps",
        "EMAIL_TIMEOUT": TIMEOUT_S,
    }
