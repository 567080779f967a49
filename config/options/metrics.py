"""Where metrics are served for Prometheus."""

from dataclasses import dataclass

from config.env import setting


@dataclass(frozen=True)
class MetricsOptions:
    """The process that serves metrics (`manage.py serve_metrics`)."""

    address: str = setting(
        "METRICS_ADDRESS",
        "address at which metrics are served; they need no login, so nobody else may reach it",
        default="127.0.0.1",
    )
    port: int = setting(
        "METRICS_PORT",
        "port at which metrics are served, for example 9808; 0: the local stack serves none",
        default=0,
        minimum=0,
        maximum=65_535,
    )
