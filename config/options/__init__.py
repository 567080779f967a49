"""Every setting of the product, in frozen classes, one for each concern.

`.env.example` is written from this package (`make env-example`), and a test holds the two together.
Each process reads the classes that it needs and nothing else.
"""

from config.options.alarms import AlarmOptions
from config.options.api import ApiOptions
from config.options.bridge import BridgeOptions, MarkOptions
from config.options.certificates import CertificateOptions, RootOptions
from config.options.mail import MailOptions
from config.options.metrics import MetricsOptions
from config.options.retention import RetentionOptions
from config.options.shared import (
    BrokerOptions,
    CheckOptions,
    DatabaseOptions,
    LogOptions,
    QueueOptions,
    RedisOptions,
    TopicOptions,
)
from config.options.signin import ProviderOptions, SignInOptions
from config.options.simulator import SimulatorOptions
from config.options.traces import TraceOptions
from config.options.web import StatusOptions, WebOptions, WebServerOptions
from config.options.workers import ContractOptions, IngestOptions, LimitOptions, MaintenanceOptions

__all__ = [
    "ALL_OPTIONS",
    "AlarmOptions",
    "ApiOptions",
    "BridgeOptions",
    "BrokerOptions",
    "CertificateOptions",
    "CheckOptions",
    "ContractOptions",
    "DatabaseOptions",
    "IngestOptions",
    "LimitOptions",
    "LogOptions",
    "MailOptions",
    "MaintenanceOptions",
    "MarkOptions",
    "MetricsOptions",
    "ProviderOptions",
    "QueueOptions",
    "RedisOptions",
    "RetentionOptions",
    "RootOptions",
    "SignInOptions",
    "SimulatorOptions",
    "StatusOptions",
    "TopicOptions",
    "TraceOptions",
    "WebOptions",
    "WebServerOptions",
]

ALL_OPTIONS: tuple[type, ...] = (
    WebOptions,
    WebServerOptions,
    BridgeOptions,
    IngestOptions,
    MaintenanceOptions,
    SimulatorOptions,
    CertificateOptions,
    RootOptions,
    MetricsOptions,
)
