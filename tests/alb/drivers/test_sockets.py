"""Each worker slot has its own socket, and a taken port is told."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

import pytest

from alb.drivers.sockets import UNSENT_MAX, bind_slots


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        return number


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


def test_every_slot_accepts_on_the_same_port(port: int) -> None:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(one) for one in bind_slots("127.0.0.1", port, 3)]
        assert {one.getsockname() for one in opened} == {("127.0.0.1", port)}
        accepted = 0
        for _ in range(40):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        for one in opened:
            with contextlib.suppress(BlockingIOError):
                while True:
                    stack.enter_context(one.accept()[0])
                    accepted += 1
        assert accepted == 40


@pytest.mark.parametrize("shares", [False, True], ids=["alone", "with SO_REUSEPORT"])
def test_a_taken_port_is_told_and_leaves_nothing_open(
    port: int, shares: object
) -> None:
    with socket.socket() as other:
        if shares:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        before = open_files()
        with pytest.raises(OSError, match="in use") as taken:
            bind_slots("127.0.0.1", port, 2)
        assert taken.value.errno == errno.EADDRINUSE
        assert open_files() == before


def test_an_address_that_is_not_ours_is_told(port: int) -> None:
    with pytest.raises(OSError, match="assign"):
        bind_slots("192.0.2.1", port, 1)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_does_not_take_ipv4_along(port: int) -> None:
    try:
        six = bind_slots("::", port, 1)
    except OSError as problem:
        pytest.skip(f"no IPv6 here: {problem}")
    four = bind_slots("0.0.0.0", port, 1)  # noqa: S104 - to see that it is free
    for one in (*six, *four):
        one.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="no such option")
def test_what_a_client_does_not_read_waits_here_not_in_the_kernel() -> None:
    """Else a hundred that read nothing would each be copied megabytes at once."""
    (listening,) = bind_slots("127.0.0.1", 0, 1)
    with listening, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listening.getsockname())
        served, _ = listening.accept()
        with served:
            served.setblocking(False)  # noqa: FBT003 - its name
            taken = 0
            with contextlib.suppress(BlockingIOError):
                while taken < 64 * UNSENT_MAX:
                    taken += served.send(bytes(UNSENT_MAX))

    assert UNSENT_MAX / 2 < taken < 2 * UNSENT_MAX
