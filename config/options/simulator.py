"""The simulated fleet."""

from dataclasses import dataclass

from config.env import setting
from config.options.shared import BrokerOptions, TopicOptions


@dataclass(frozen=True)
class SimulatorOptions:
    """The simulated fleet (`manage.py simulate`)."""

    broker: BrokerOptions
    topic: TopicOptions
    user: str = setting("MQTT_GATEWAY_USER", "MQTT user of the gateways")
    password: str = setting(
        "MQTT_GATEWAY_PASSWORD", "MQTT password of the gateways", is_secret=True
    )
