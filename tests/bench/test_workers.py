"""Two workers are compared with one by what a request costs, and by who has how many."""

from __future__ import annotations

import math
import os
import socket
import sys

import pytest

from bench.workers import connections_of, imbalance, inodes_at, scaling

TCP = [  # local 0x1F90 is 8080; 01 is established, 0A listens
    "0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 111 1 0",
    "1: 0100007F:1F90 0100007F:D431 01 0:0 0:0 0 0 0 222 1 0",
    "2: 0100007F:D431 0100007F:1F90 01 0:0 0:0 0 0 0 333 1 0",
]


def test_what_a_second_worker_costs_lessens_what_it_brings() -> None:
    assert scaling({1: [30, 31, 90], 2: [31, 31, 31]}) == 2.0
    assert scaling({1: [30.0], 2: [40.0]}) == 1.5


def test_a_worker_without_any_connection_is_no_balance() -> None:
    assert imbalance([33, 31]) == pytest.approx(1.065, abs=0.001)
    assert math.isinf(imbalance([64, 0]))


def test_only_the_servers_ends_of_connections_count() -> None:
    assert inodes_at(TCP, 8080) == {"222"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_connections_are_found_at_the_process_that_has_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            assert connections_of([os.getpid()], port) == [0]  # not accepted yet
            accepted, _ = server.accept()
            with accepted:
                assert connections_of([os.getpid()], port) == [1]
