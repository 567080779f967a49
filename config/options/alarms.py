"""Alarms: where webhooks may lead, which disks are watched."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from config.env import SettingError, setting


@dataclass(frozen=True)
class AlarmOptions:
    """What the rules of alarms reach beyond the product."""

    webhook_networks: tuple[str, ...] = setting(
        "WEBHOOK_NETWORKS",
        "networks such as 10.20.0.0/16, separated by commas, that webhooks may reach although they "
        "are not public, also without TLS; every other private address is refused",
        default=(),
    )
    disks: tuple[str, ...] = setting(
        "ALARM_DISKS",
        "folders whose disks the maintenance pool watches (alarm: disk fuller than), separated by "
        "commas",
        default=("/",),
    )

    def __post_init__(self) -> None:
        self.parse_networks()

    def parse_networks(self) -> list[IPv4Network | IPv6Network]:
        """The networks. Raises `SettingError`."""
        try:
            return [ip_network(text) for text in self.webhook_networks]
        except ValueError as error:
            raise SettingError(
                f"WEBHOOK_NETWORKS={','.join(self.webhook_networks)!r}: {error}: expected "
                "networks such as 10.20.0.0/16"
            ) from error
