"""Where traces are sent."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from config.env import SettingError, setting


@dataclass(frozen=True)
class TraceOptions:
    """Traces of batches (OpenTelemetry) from bridges and ingest pools."""

    url: str = setting(
        "TRACES_URL",
        "where bridges and ingest pools send traces of batches: an OTLP receiver over HTTP, as "
        "http://HOST:4318/v1/traces; empty: there are none, and they cost nothing",
        default="",
    )
    percent: float = setting(
        "TRACES_SHARE",
        "how many of the batches are traced; the same for all processes, or traces have gaps",
        default=1.0,
        unit="percent",
        minimum=0,
        maximum=100,
    )

    def __post_init__(self) -> None:
        address = urlsplit(self.url)
        if self.url and (address.scheme not in ("http", "https") or not address.hostname):
            raise SettingError(f"TRACES_URL={self.url!r}: expected http://HOST:PORT/v1/traces")
