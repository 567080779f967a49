"""What the operator asks for: the variables of `make up`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compose.local.layout import UsageError
from compose.local.ports import DEFAULT_PORTS
from config.env import Setting, parse_value

# The settings of servers that run already; the first names the server.
EXTERNAL_SERVERS = {
    "postgres": ("DATABASE_URL",),
    "redis": ("REDIS_URL",),
    "mosquitto": (
        "MQTT_HOST",
        "MQTT_PORT",
        "MQTT_BRIDGE_USER",
        "MQTT_BRIDGE_PASSWORD",
        "MQTT_GATEWAY_USER",
        "MQTT_GATEWAY_PASSWORD",
    ),
}
SERVER_PORTS = {
    "postgres": ("POSTGRES_PORT",),
    "redis": ("REDIS_PORT",),
    "mosquitto": ("MQTT_PORT", "MQTT_WS_PORT", "MQTT_TLS_PORT", "MQTT_SERVICE_PORT"),
}
LARGEST_SET = 64
LARGEST_PORT = 65535


@dataclass(frozen=True)
class Request:
    """A set of processes, where they listen, and which servers run already."""

    workers: int
    bridges: int
    simulate: bool
    demo: bool
    detach: bool
    ports: Mapping[str, int]
    external: Mapping[str, str]

    @property
    def external_servers(self) -> list[str]:
        """The kinds of servers that run already: the environment names them."""
        return [server for server, names in EXTERNAL_SERVERS.items() if names[0] in self.external]


def read_request(
    environ: Mapping[str, str],
    *,
    own: Mapping[str, str],
    running_ports: Mapping[str, int] | None = None,
) -> Request:
    """Read and check the variables. Raises `UsageError` or `SettingError`.

    `own` is this stack's `stack.env`: a shell that has read it names the stack's own servers, and
    those are not servers that somebody else runs. A stack that runs keeps its ports.
    """
    external = read_external(environ, own=own)
    running = running_ports or {}
    ports: dict[str, int] = {}
    for name, default in DEFAULT_PORTS.items():
        if name == "MQTT_PORT" and "MQTT_HOST" in external:
            continue
        text = environ.get(name) or str(running.get(name, default))
        port = read_value(name, text, int, maximum=LARGEST_PORT)
        if port in ports.values():
            other = next(each for each in ports if ports[each] == port)
            raise UsageError(f"{other} and {name} are both {port}: expected two ports")
        ports[name] = port
    return Request(
        workers=read_value("WORKERS", environ.get("WORKERS") or "1", int, maximum=LARGEST_SET),
        bridges=read_value("BRIDGES", environ.get("BRIDGES") or "1", int, maximum=LARGEST_SET),
        simulate=read_value("SIMULATE", environ.get("SIMULATE") or "1", bool),
        demo=read_value("DEMO", environ.get("DEMO") or "1", bool),
        detach=read_value("DETACH", environ.get("DETACH") or "0", bool),
        ports=ports,
        external=external,
    )


def read_external(environ: Mapping[str, str], *, own: Mapping[str, str]) -> dict[str, str]:
    """The settings of servers that run already; each server whole or not at all."""
    external: dict[str, str] = {}
    for names in EXTERNAL_SERVERS.values():
        # A port may be asked for anew.
        is_own = all(environ.get(name) == own.get(name) for name in names if name != "MQTT_PORT")
        if is_own or not environ.get(names[0]):
            continue
        values = {name: environ.get(name, "") for name in names}
        if "MQTT_PORT" in values:
            text = values["MQTT_PORT"] or str(DEFAULT_PORTS["MQTT_PORT"])
            values["MQTT_PORT"] = str(read_value("MQTT_PORT", text, int, maximum=LARGEST_PORT))
        missing = [name for name in names if not values[name]]
        if missing:
            raise UsageError(
                f"{names[0]} is set, so the server there is used, but {', '.join(missing)} is not "
                f"set: set it, or unset {names[0]} to let make up start a server"
            )
        external.update(values)
    return external


def read_value(name: str, text: str, kind: type, *, maximum: int | None = None) -> Any:
    """A variable as the product's settings are read. Raises `SettingError`."""
    return parse_value(Setting(name, "", minimum=1, maximum=maximum), kind, text)
