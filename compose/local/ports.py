"""Ports: which variable moves which, whether one is free, and who holds it."""

import socket

import psutil

from compose.local.layout import UsageError

HOST = "127.0.0.1"
DEFAULT_PORTS = {
    "MQTT_PORT": 1883,
    "MQTT_WS_PORT": 9001,
    "MQTT_TLS_PORT": 8883,
    "MQTT_SERVICE_PORT": 8884,
    "WEB_PORT": 8000,
    "ENROLMENT_PORT": 8443,
    "FLOWER_PORT": 5555,
    "POSTGRES_PORT": 5433,
    "REDIS_PORT": 6380,
}


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: connections of the last run in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def require_free(variable: str, port: int) -> None:
    """Raise `UsageError` that names port, holder and variable unless the port is free."""
    if not is_free(port):
        raise UsageError(
            f"port {port} is taken{find_holder(port)}: choose another with {variable}, "
            f"as in make up {variable}={port + 10000 if port < 50000 else port - 10000}"
        )


def find_holder(port: int) -> str:
    """` by NAME (pid N)` when the listening process is known, else nothing."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            is_listening = connection.status == psutil.CONN_LISTEN
            if is_listening and connection.pid and connection.laddr.port == port:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""
