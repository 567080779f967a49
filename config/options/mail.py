"""E-mail: how it is sent, and in whose name."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from config.env import SettingError, setting

SCHEMES = ("smtp", "smtps", "smtp+plain", "file")


@dataclass(frozen=True)
class MailOptions:
    """E-mail of the site: invitations, new passwords, reports."""

    url: str = setting(
        "EMAIL_URL",
        "server for outgoing e-mail: smtp://USER:PASSWORD@HOST:PORT (STARTTLS), smtps:// (TLS "
        "from the start), smtp+plain:// (no encryption, for a relay on this host) or "
        "file:///FOLDER; empty sends no e-mail",
        default="",
        is_secret=True,
    )
    sender: str = setting(
        "EMAIL_FROM", "sender of all e-mail", default="TDS Telemetry <telemetry@localhost>"
    )
    site_url: str = setting(
        "WEB_URL",
        "address of the web pages, https://HOST: links in e-mails begin with it; empty: scheduled "
        "reports have no link, and no other e-mail is sent",
        default="",
    )

    def __post_init__(self) -> None:
        site = urlsplit(self.site_url)
        if self.site_url and (site.scheme not in ("http", "https") or not site.hostname):
            raise SettingError(f"WEB_URL={self.site_url!r}: expected https://HOST")
        address = urlsplit(self.url)
        if self.url and (
            address.scheme not in SCHEMES
            or not (address.path if address.scheme == "file" else address.hostname)
        ):
            raise SettingError(
                f"EMAIL_URL=(hidden): expected one of {', '.join(f'{s}://' for s in SCHEMES)} "
                "with a host, or a folder"
            )
