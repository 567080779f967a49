"""The API: how much of it one user may use."""

from dataclasses import dataclass

from config.env import setting


@dataclass(frozen=True)
class ApiOptions:
    """The API under /api/v1."""

    requests_per_minute: int = setting(
        "API_REQUESTS_PER_MINUTE",
        "API requests that one user may make in a minute; 0 sets no limit",
        default=600,
        unit="requests",
        minimum=0,
        maximum=1_000_000,
    )
    exports_per_minute: int = setting(
        "API_EXPORTS_PER_MINUTE",
        "exports of readings that one user may start in a minute; 0 sets no limit",
        default=6,
        unit="exports",
        minimum=0,
        maximum=1_000_000,
    )
    exports_at_once: int = setting(
        "API_EXPORTS_AT_ONCE",
        "exports that one web process sends at the same time; keep it below WEB_THREADS",
        default=2,
        unit="exports",
        minimum=1,
        maximum=64,
    )
    export_bytes_per_s: int = setting(
        "EXPORT_BYTES_PER_S",
        "least rate at which a client takes an export; a slower one is cut off after half a minute",
        default=5_000,
        unit="bytes a second",
        minimum=0,
        maximum=10_000_000,
    )
    export_longest_s: int = setting(
        "EXPORT_LONGEST_S",
        "longest time that an export may take; keep it below WEB_LONGEST_S",
        default=840,
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )
