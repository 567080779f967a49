"""Ports that are free, and those that are not."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.local.layout import UsageError
from compose.local.ports import HOST, is_free, require_free
from tests.servers import free_ports
from tests.servers.free_ports import find_free_ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_it_names_port_holder_and_variable_when_a_port_is_taken(taken: int) -> None:
    expected = rf"port {taken} is taken by .*\(pid {os.getpid()}\).*WEB_PORT"

    with pytest.raises(UsageError, match=expected):
        require_free("WEB_PORT", taken)


def test_it_sees_a_port_as_taken_when_a_server_listens_on_every_address() -> None:
    with socket.socket() as server:
        server.bind(("", 0))
        server.listen()

        assert not is_free(server.getsockname()[1])


def test_it_finds_different_ports_when_several_are_needed() -> None:
    ports = find_free_ports(5)

    assert len(set(ports)) == 5
    assert all(is_free(port) for port in ports)


@pytest.mark.parametrize(
    ("clients", "below"),
    [
        pytest.param("20000\t60999\n", 20_000, id="below those of clients"),
        pytest.param("1024\t65535\n", 65_536, id="any, where clients are given nearly all"),
    ],
)
def test_it_finds_ports_that_no_client_is_given_where_there_are_enough(
    clients: str, below: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ip_local_port_range"
    file.write_text(clients, encoding="ascii")
    monkeypatch.setattr(free_ports, "CLIENTS", file)

    ports = find_free_ports(20)

    assert len(ports) == 20
    assert max(ports) < below
