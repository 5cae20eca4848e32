"""CPU per proxied request, ours beside others. `make bench` runs it.

    python -m bench.proxy [--workload plain] [--peers alb,haproxy] [--rounds 5]

Every round starts each proxy anew on one core, asks whether it does what all
of them must do, loads it from the other core, and divides the user and system
CPU of all its processes by the requests it answered. `workloads.py` has what is
asked. Rounds are interleaved, so that a noisy minute meets everybody. See
bench/README.md.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contestants import (
    CONTESTANTS,
    ORIGIN,
    SINK,
    Contestant,
    Values,
    free_ports,
)
from bench.cpu import adopt_orphans, core_busy_s, cpu_s, descendants, end
from bench.record import Round, median_us, write_record
from bench.workloads import GIB, LOAD_CORE, WORKLOADS, NotComparable, Workload, wrk

PROXY_CORE: Final = 1
START_DEADLINE_S: Final = 20.0
CLIENT: Final = "203.0.113.7"
BODY_BYTES: Final = 65
FOREIGN_SHARE_MAX: Final = 0.1


def main() -> int:
    options = parse(sys.argv[1:])
    smoke = bool(os.environ.get("BENCH_SMOKE"))
    rounds, seconds = (1, 1) if smoke else (options.rounds, options.seconds)
    adopt_orphans()

    workload = WORKLOADS[options.workload]
    names = [n for n in options.peers if not workload.only or n in workload.only]
    with tempfile.TemporaryDirectory(prefix="alb-bench-") as directory:
        measured, refused = compare(workload, names, rounds, seconds, Path(directory))

    print(f"{workload.name}: {workload.measures}")
    print(table(measured, workload.unit))
    for name, why in refused.items():
        print(f"{name}: NOT MEASURED: {why}", file=sys.stderr)
    if not smoke and measured:
        print(f"recorded in {write_record(workload, measured, rounds, seconds)}")
    return 1 if refused or not measured else 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.proxy", description=__doc__)
    parser.add_argument("--workload", choices=WORKLOADS, default="plain")
    parser.add_argument(
        "--peers", type=lambda text: text.split(","), default=list(CONTESTANTS)
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args(arguments)
    if unknown := set(options.peers) - set(CONTESTANTS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return options


def compare(
    workload: Workload,
    names: Sequence[str],
    rounds: int,
    seconds: int,
    directory: Path,
) -> tuple[dict[str, list[Round]], dict[str, str]]:
    """Return the rounds of each contestant, and why others have none."""
    refused = {n: why for n in names if (why := CONTESTANTS[n].missing())}
    measured: dict[str, list[Round]] = {}
    listen, admin, origin_a, origin_b, sink, tls = free_ports(6)
    values = {
        "LISTEN": listen,
        "ADMIN": admin,
        "ORIGIN_A": origin_a,
        "ORIGIN_B": origin_b,
        "SINK": sink,
        "TLS_LISTEN": tls,
        "DIRECTORY": str(directory),
    }
    with (directory / "gib").open("wb") as file:
        file.truncate(GIB)  # all zeros, and no room on the disk
    directory.chmod(0o755)  # the target's workers may be another user's
    make_certificate(directory)
    with (
        running(SINK, values, LOAD_CORE, ready=sink),
        running(ORIGIN, values, LOAD_CORE, ready=origin_b),
    ):
        for number in range(rounds):
            for name in [name for name in names if name not in refused]:
                try:
                    done = one_round(
                        workload, CONTESTANTS[name], values, (seconds, number)
                    )
                except NotComparable as why:
                    refused[name] = str(why)
                    continue
                measured.setdefault(name, []).append(done)
                print(
                    f"round {number + 1}: {name:8} {done.cpu_us_per_request:6.1f} µs "
                    f"of CPU per request at {done.requests_per_s:6.0f} requests/s"
                    f"{disturbed(done)}"
                )
    return measured, refused


def make_certificate(directory: Path) -> None:
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


def one_round(
    workload: Workload,
    contestant: Contestant,
    values: Values,
    seconds_and_seed: tuple[int, int],
) -> Round:
    before = descendants(os.getpid())
    seconds, seed = seconds_and_seed
    port, directory = values["LISTEN"], Path(values["DIRECTORY"])
    with running(contestant, values, PROXY_CORE, port, logs=workload.logs):
        require_same_features(port)
        wrk(port, 1, seed + 1000)
        pids = descendants(os.getpid()) - before
        at_start, core_at_start = cpu_s(pids), core_busy_s(PROXY_CORE)
        loaded = values["TLS_LISTEN"] if workload.secure else port
        told = workload.load(loaded, seconds, seed, directory)
        core_s = core_busy_s(PROXY_CORE) - core_at_start
        used_s = cpu_s(pids | (descendants(os.getpid()) - before)) - at_start
    if told["failed"] or not told["requests"]:
        raise NotComparable(f"{told['failed']} requests failed: {told}")
    return Round(
        cpu_us_per_request=used_s / told["requests"] * 1e6,
        requests_per_s=told["requests"] / told["duration_s"],
        p50_us=int(told["p50_us"]),
        p99_us=int(told["p99_us"]),
        foreign_share=round(max(0.0, core_s - used_s) / told["duration_s"], 3),
    )


@contextmanager
def running(
    contestant: Contestant,
    values: Values,
    core: int,
    ready: str,
    *,
    logs: bool = False,
) -> Iterator[None]:
    """Run it until it answers on port `ready`; afterwards end all it started."""
    before = descendants(os.getpid())
    process = contestant.start(values, core, logs=logs)
    try:
        deadline = time.monotonic() + START_DEADLINE_S
        while not answers(ready):
            if process.poll() not in {None, 0} or time.monotonic() > deadline:
                raise NotComparable(f"did not start: {last_words(contestant, values)}")
            time.sleep(0.05)
        yield
    finally:
        end(descendants(os.getpid()) - before)
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


def require_same_features(port: str) -> None:
    """Rules by path and host, an appended X-Forwarded-For, a unique id per request."""
    for path, host, group in [
        ("/seen", "www.example.com", "a"),
        *((f"/p{number}/seen", "www.example.com", "b") for number in range(10)),
        *((f"/p{number}/seen", f"h{number}.example.com", "a") for number in range(10)),
    ]:
        seen, forwarded, first = told(get(port, path, host))
        again = told(get(port, path, host))[2]
        if seen != group:
            raise NotComparable(f"{host}{path} went to group {seen}, not {group}")
        # Envoy writes an address of the machine's where the client is on loopback.
        if not re.fullmatch(rf"{CLIENT}, ?[0-9.]+", forwarded):
            raise NotComparable(f"X-Forwarded-For is {forwarded!r}")
        if first in {"", "none", again}:
            raise NotComparable(f"no unique id: {first!r}, then {again!r}")
    if len(body := get(port, "/").body) != BODY_BYTES:
        raise NotComparable(f"the body has {len(body)} bytes")


def told(answer: Answer) -> list[str]:
    parts = answer.body.decode().strip().split("|")
    if answer.status != 200 or len(parts) != 3:
        raise NotComparable(f"answered {answer.status}: {answer.body[:200]!r}")
    return parts


def disturbed(done: Round) -> str:
    """Say when others worked on the proxy's core: caches are shared, figures rise."""
    if done.foreign_share <= FOREIGN_SHARE_MAX:
        return ""
    return f" (others took {done.foreign_share:.0%} of its core)"


def last_words(contestant: Contestant, values: Values) -> str:
    log = Path(values["DIRECTORY"], f"{contestant.name}.log")
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(lines[-3:]) or "it said nothing"


def table(measured: dict[str, list[Round]], unit: str = "µs/request") -> str:
    """Return the medians as a table, the cheapest first."""
    medians = sorted((median_us(rounds), name) for name, rounds in measured.items())
    haproxy = {name: us for us, name in medians}.get("haproxy")
    lines = [
        f"{'':8} {'CPU ' + unit:>17} {'min-max':>13} "
        f"{'requests/s':>10} {'to HAProxy':>10}"
    ]
    for us, name in medians:
        costs = [one.cpu_us_per_request for one in measured[name]]
        rate = statistics.median(one.requests_per_s for one in measured[name])
        ratio = f"{us / haproxy:10.2f}" if haproxy else f"{'-':>10}"
        spread = f"{min(costs):.1f}-{max(costs):.1f}"
        lines.append(f"{name:8} {us:17.1f} {spread:>13} {rate:10.0f} {ratio}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
