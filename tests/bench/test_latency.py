"""What a proxy adds is its time less the target's own, round by round."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Final

import pytest

from bench.latency import added_us
from bench.load import built

ANSWER_S: Final = 0.05


def test_what_is_added_is_the_median_of_what_each_round_added() -> None:
    found = {
        "direct": [{"p50_us": 100}, {"p50_us": 900}, {"p50_us": 100}],
        "alb": [{"p50_us": 140}, {"p50_us": 950}, {"p50_us": 145}],
    }
    assert added_us(found, "alb", "p50_us") == 45


class Slow(BaseHTTPRequestHandler):
    """Answers after ANSWER_S, in two pieces."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        sleep(ANSWER_S)

        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
        self.wfile.write(b"\r\nok")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.needs("cc")
def test_the_open_loop_does_not_wait_for_answers(port: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [built(tmp_path), str(port), "200", "1.5", "1", "even"],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.removeprefix("result "))

    # ten at a time are on their way: a closed loop would be no faster than answers
    assert told["requests"] == 200
    assert told["failed"] == 0
    assert told["p50_us"] > ANSWER_S * 1e6
