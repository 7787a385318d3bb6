"""A port that a program is told before it runs is there for it, and for nobody else."""

import socket

import pytest

from scripts.ports import reserved_ports


def test_its_program_may_listen_there_again_and_again() -> None:
    with reserved_ports(2) as (port, other):
        assert port != other
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            with (
                socket.create_server(("127.0.0.1", port)) as listener,
                socket.create_connection(("127.0.0.1", port)) as client,
            ):
                accepted, address = listener.accept()
                accepted.close()
                assert address == client.getsockname()


def test_another_does_not_get_it_meanwhile() -> None:
    with reserved_ports(1) as (port,), socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
