"""The internal CA: where its keys are, and how long certificates last."""

from dataclasses import dataclass

from config.env import SettingError, setting

SHORTEST_PASSPHRASE = 16


@dataclass(frozen=True)
class CertificateOptions:
    """The CA that issues certificates to gateways. Without a folder there is none."""

    folder: str = setting(
        "CA_FOLDER",
        "folder of the CA's certificates and its encrypted keys, made by manage.py ca init; when "
        "empty, this process issues and revokes nothing",
        default="",
    )
    passphrase: str = setting(
        "CA_PASSPHRASE",
        "passphrase of the keys in CA_FOLDER; a process without it shows certificates and cannot "
        "issue them",
        default="",
        is_secret=True,
    )
    crl_file: str = setting(
        "CA_CRL_FILE",
        "file of the revocation list, which the broker reads again when it changes; when empty, "
        "crl.pem in CA_FOLDER",
        default="",
    )
    broker_ca_file: str = setting(
        "CA_BROKER_CA_FILE",
        "file of the CA that has signed the broker's own certificate; gateways get it with their "
        "own, to know the broker by",
        default="",
    )
    valid_days: int = setting(
        "CA_VALID_DAYS",
        "how long a gateway's certificate is valid",
        default=365,
        unit="days",
        minimum=1,
        maximum=3_650,
    )
    warn_days: int = setting(
        "CA_WARN_DAYS",
        "the status warns of a certificate that ends within this time and was not renewed",
        default=30,
        unit="days",
        minimum=1,
        maximum=365,
    )

    def __post_init__(self) -> None:
        check_passphrase("CA_PASSPHRASE", self.passphrase)
        if self.warn_days >= self.valid_days:
            raise SettingError(
                f"CA_WARN_DAYS={self.warn_days}: expected less than "
                f"CA_VALID_DAYS={self.valid_days}, or every certificate is warned of"
            )


@dataclass(frozen=True)
class RootOptions:
    """The key of the root, which `manage.py ca init` and `ca renew` alone need."""

    passphrase: str = setting(
        "CA_ROOT_PASSPHRASE",
        "passphrase of the root's key, for manage.py ca init and ca renew only; keep it with that "
        "key, offline",
        default="",
        is_secret=True,
    )

    def __post_init__(self) -> None:
        check_passphrase("CA_ROOT_PASSPHRASE", self.passphrase)


def check_passphrase(name: str, passphrase: str) -> None:
    """Raise `SettingError` for a short one. Empty: there is none."""
    if passphrase and len(passphrase) < SHORTEST_PASSPHRASE:
        raise SettingError(f"{name}=(hidden): expected {SHORTEST_PASSPHRASE} characters or more")
