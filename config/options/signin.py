"""Who may sign in, and by what."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from config.env import SettingError, setting

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ProviderOptions:
    """An identity provider that speaks OpenID Connect."""

    issuer: str = setting(
        "OIDC_ISSUER",
        "address of an identity provider (OpenID Connect), https://HOST/...: users may sign in "
        "there; empty: there is none",
        default="",
    )
    client_id: str = setting(
        "OIDC_CLIENT_ID", "by what the identity provider knows this site", default=""
    )
    client_secret: str = setting(
        "OIDC_CLIENT_SECRET", "the secret of OIDC_CLIENT_ID", default="", is_secret=True
    )
    name: str = setting(
        "OIDC_NAME", "what users call the identity provider", default="single sign-on"
    )
    creates_users: bool = setting(
        "OIDC_CREATE_USERS",
        "whether somebody whom the identity provider knows and this site does not becomes a user, "
        "who is a member of no account yet; otherwise the sign-in is refused",
        default=False,
    )

    def __post_init__(self) -> None:
        if not self.issuer:
            return
        address = urlsplit(self.issuer)
        is_safe = address.scheme == "https" or address.hostname in LOOPBACK
        if not address.hostname or not is_safe:
            raise SettingError(f"OIDC_ISSUER={self.issuer!r}: expected https://HOST/...")
        if not (self.client_id and self.client_secret):
            raise SettingError(
                f"OIDC_CLIENT_ID={self.client_id!r}: expected with OIDC_CLIENT_SECRET, because "
                "OIDC_ISSUER is set"
            )


@dataclass(frozen=True)
class SignInOptions:
    """What a sign-in takes beside a password, and how long it lasts."""

    provider: ProviderOptions
    second_factor: str = setting(
        "WEB_SECOND_FACTOR",
        "who must enter a code of an authenticator app at the sign-in; all others may choose to",
        default="staff",
        choices=("nobody", "staff", "everyone"),
    )
    session_hours: int = setting(
        "WEB_SESSION_HOURS",
        "how long a sign-in lasts",
        default=12,
        unit="hours",
        minimum=1,
        maximum=8_760,
    )
