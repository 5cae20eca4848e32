"""What proxies are asked to do while their CPU is counted.

Each workload says what is loaded, how, and per what the cost is told.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contestants import PEERS, VARIANTS

LOAD_CORE: Final = 0
CONNECTIONS: Final = 64
GIB: Final = 2**30

Told = Mapping[str, float]
"""`requests` (or GiB), `duration_s`, `failed`, `p50_us`, `p99_us`."""


class NotComparable(Exception):
    """A proxy that does not do what the others do cannot be measured beside them."""


@dataclass(frozen=True, slots=True)
class Workload:
    """`load(port, seconds, seed, directory)`; all but TLS ones ask the plain port."""

    name: str
    measures: str
    unit: str
    load: Callable[[str, int, int, Path], Told]
    logs: bool = False
    secure: bool = False
    only: tuple[str, ...] = ()
    """Who takes part; all proxies, when empty."""
    base: str = "haproxy"
    """With whom the others are compared."""


def wrk(
    at: str, seconds: int, seed: int, script: str = "requests.lua", *more: str
) -> Told:
    """Load a port or URL with wrk, closed loop; return what its script told."""
    url = at if ":" in at else f"http://127.0.0.1:{at}"
    # fmt: off
    command = (
        "taskset", "--cpu-list", str(LOAD_CORE), "wrk", "--threads", "1",
        "--connections", str(CONNECTIONS), "--duration", f"{seconds}s",
        "--timeout", "5s", "--script", str(PEERS / script),
        url, "--", str(seed), *more,
    )
    # fmt: on
    return told_by(command)


def told_by(command: Sequence[str]) -> Told:
    """Run what loads; return its result. Raises NotComparable when it has none."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^result (\{.*\})$", done.stdout, re.MULTILINE)
    if not found:
        raise NotComparable(f"the load told nothing: {done.stdout}{done.stderr}")
    result: dict[str, float] = json.loads(found[1])
    return result


def kept_alive(port: str, seconds: int, seed: int, _: Path) -> Told:
    return wrk(port, seconds, seed)


def in_session(port: str, seconds: int, seed: int, _: Path) -> Told:
    """Clients that send the cookies they were given, if they were given any."""
    return wrk(port, seconds, seed, "requests.lua", "session")


def fresh(port: str, seconds: int, seed: int, _: Path) -> Told:
    """A connection for each request; the client says that it is the last."""
    return wrk(port, seconds, seed, "requests.lua", "close")


def secured(port: str, seconds: int, seed: int, _: Path) -> Told:
    return wrk(f"https://127.0.0.1:{port}", seconds, seed)


def shaken(port: str, seconds: int, seed: int, _: Path) -> Told:
    """A TLS handshake for each request; wrk resumes no session."""
    return wrk(f"https://127.0.0.1:{port}", seconds, seed, "requests.lua", "close")


def download(port: str, seconds: int, _seed: int, directory: Path) -> Told:
    """Read GiBs from the target, one after another."""
    del directory
    return _curl(seconds, f"http://127.0.0.1:{port}/gib", "--output", "/dev/null")


def upload(port: str, seconds: int, _seed: int, directory: Path) -> Told:
    """Write GiBs to the target, one after another."""
    # fmt: off
    return _curl(
        seconds, f"http://127.0.0.1:{port}/sink", "--output", "/dev/null",
        "--header", "Expect:", "--request", "POST",
        "--upload-file", str(directory / "gib"),
    )
    # fmt: on


def _curl(count: int, url: str, *arguments: str) -> Told:
    took_s = 0.0
    for _ in range(count):
        # fmt: off
        done = subprocess.run(
            ("taskset", "--cpu-list", str(LOAD_CORE), "curl", "--silent",
             "--show-error", "--write-out",
             '{"status": %{http_code}, "s": %{time_total},'
             ' "bytes": %{size_download}, "sent": %{size_upload}}',
             *arguments, url),
            capture_output=True, text=True, check=False,
        )
        # fmt: on
        told = json.loads(done.stdout) if done.returncode == 0 else {}
        moved = max(told.get("bytes", 0), told.get("sent", 0))
        if told.get("status") != 200 or moved != GIB:
            raise NotComparable(f"a GiB did not pass: {done.stdout}{done.stderr}")
        took_s += told["s"]
    latency_us = took_s / count * 1e6
    return {
        "requests": count,
        "duration_s": took_s,
        "failed": 0,
        "p50_us": latency_us,
        "p99_us": latency_us,
    }


_WITH_LOG_AND_TLS: Final = ("alb", "alb-pure", "haproxy", "nginx")
_CPU: Final = "user and system, all processes"
WORKLOADS: Final = {
    workload.name: workload
    for workload in (
        Workload(
            "plain", f"CPU per proxied request, {_CPU}, µs", "µs/request", kept_alive
        ),
        Workload(
            "log",
            f"CPU per proxied request with the access log on, {_CPU}, µs",
            "µs/request",
            kept_alive,
            logs=True,
            only=_WITH_LOG_AND_TLS,
        ),
        Workload(
            "fresh",
            f"CPU per connection with one request, {_CPU}, µs",
            "µs/connection",
            fresh,
        ),
        Workload(
            "download", f"CPU per GiB of response, {_CPU}, µs", "µs/GiB", download
        ),
        Workload(
            "tls",
            f"CPU per proxied request over TLS 1.3, {_CPU}, µs",
            "µs/request",
            secured,
            secure=True,
            only=_WITH_LOG_AND_TLS,
        ),
        Workload(
            "handshakes",
            f"CPU per TLS connection with one request, ECDSA P-256, {_CPU}, µs",
            "µs/connection",
            shaken,
            secure=True,
            only=_WITH_LOG_AND_TLS,
        ),
        Workload(
            "features",
            f"CPU per proxied request with one more feature on, {_CPU}, µs",
            "µs/request",
            in_session,
            only=tuple(VARIANTS),
            base="round-robin",
        ),
        Workload("upload", f"CPU per GiB of request, {_CPU}, µs", "µs/GiB", upload),
    )
}
