"""What every measurement stands on: ports, a directory, and the target behind.

The target and whatever asks share one core, what is measured has the other. All
that was started ends with the measurement.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contestants import ORIGIN, SINK, Contestant, Values, free_ports
from bench.cpu import adopt_orphans, descendants, end_since
from bench.workloads import GIB, LOAD_CORE, NotComparable

PROXY_CORE: Final = 1
START_DEADLINE_S: Final = 20.0
CLIENT: Final = "203.0.113.7"


@contextmanager
def stage() -> Iterator[Values]:
    """Run the targets on the load's core; give the values of configurations."""
    adopt_orphans()
    names = ("LISTEN", "ADMIN", "ORIGIN_A", "ORIGIN_B", "SINK", "TLS_LISTEN", "SPARE")
    with tempfile.TemporaryDirectory(prefix="alb-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # the target's workers may be another user's
        with (directory / "gib").open("wb") as file:
            file.truncate(GIB)  # all zeros, and no room on the disk
        _make_certificate(directory)
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        values = {**ports, "DIRECTORY": name}
        with (
            running(SINK, values, str(LOAD_CORE), ready=values["SINK"]),
            running(ORIGIN, values, str(LOAD_CORE), ready=values["ORIGIN_B"]),
        ):
            yield values


def _make_certificate(directory: Path) -> None:
    """Write cert.pem, key.pem, and both as pair.pem: ECDSA P-256, a week."""
    # fmt: off
    subprocess.run(
        ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "7",
         "-subj", "/CN=www.example.com", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")),
        check=True, capture_output=True,
    )
    # fmt: on
    pair = [(directory / name).read_bytes() for name in ("cert.pem", "key.pem")]
    (directory / "pair.pem").write_bytes(b"".join(pair))


@contextmanager
def running(
    contestant: Contestant,
    values: Values,
    cores: str,
    ready: str,
    *,
    logs: bool = False,
) -> Iterator[frozenset[int]]:
    """Run it until it answers on port `ready`; afterwards end all it started.

    Gives its processes as of then. Raises NotComparable when it does not start.
    """
    before = descendants(os.getpid())
    process = contestant.start(values, cores, logs=logs)
    try:
        deadline = time.monotonic() + START_DEADLINE_S
        while not answers(ready):
            if process.poll() not in {None, 0} or time.monotonic() > deadline:
                raise NotComparable(f"did not start: {_last_words(contestant, values)}")
            time.sleep(0.05)
        yield frozenset(descendants(os.getpid()) - before)
    finally:
        end_since(before)
        process.wait()


def answers(port: str) -> bool:
    try:
        return get(port, "/ready").status == 200
    except (OSError, http.client.HTTPException):
        return False


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


def get(port: str, path: str, host: str = "www.example.com") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=5)
    try:
        headers = {"Host": host, "X-Forwarded-For": CLIENT}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.read())
    finally:
        connection.close()


def _last_words(contestant: Contestant, values: Values) -> str:
    log = Path(values["DIRECTORY"], f"{contestant.name}.log")
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(lines[-3:]) or "it said nothing"
