"""How much memory an idle client connection takes, ours beside others.

    python -m bench.idle [--peers alb,haproxy,nginx] [--rounds 5] [--connections 10000]

Connections come one after the other; each asks once, is answered, and stays. What
all processes of the proxy have grown by is divided by their number. Each proxy has
worked before, so that what it takes once is not in it. See bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

from bench.contestants import CONTESTANTS, PEERS, Contestant, Values
from bench.cpu import descendants
from bench.memory import pss_kib
from bench.record import is_smoke, write_result
from bench.stage import PROXY_CORE, running, stage
from bench.workloads import LOAD_CORE, NotComparable, wrk

NAMES: Final = ("alb", "haproxy", "nginx")
PORTS: Final = {"plain": "LISTEN", "tls": "TLS_LISTEN"}
SETTLE_S: Final = 1.5
"""Longer than what any of them does once a second."""

Found = dict[str, dict[str, list[float]]]
"""KiB per connection in each round, by how it is secured and by whom."""


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.rounds, options.connections = 1, 300
    try:
        found = rounds(options)
    except NotComparable as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    for how, by_name in found.items():
        for name, kib in by_name.items():
            print(f"{how:5} {name:8} {statistics.median(kib):6.2f} KiB per connection")
    write_result(
        "idle",
        f"PSS of all processes per idle client connection, of {options.connections}, "
        "in KiB; kernel memory is not in it",
        {
            "connections": options.connections,
            "versions": {n: CONTESTANTS[n].version_told() for n in options.peers},
            "kib": {
                how: {
                    name: {"median": round(statistics.median(kib), 3), "rounds": kib}
                    for name, kib in by_name.items()
                }
                for how, by_name in found.items()
            },
        },
    )
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.idle", description=__doc__)
    parser.add_argument(
        "--peers", type=lambda text: text.split(","), default=list(NAMES)
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=10_000)
    return parser.parse_args(arguments)


def rounds(options: argparse.Namespace) -> Found:
    found: Found = {how: {name: [] for name in options.peers} for how in PORTS}
    with stage() as values:
        for number in range(options.rounds):
            for how in PORTS:
                for name in options.peers:
                    kib = one(CONTESTANTS[name], values, how, options.connections)
                    found[how][name].append(round(kib, 3))
                    print(f"round {number + 1}: {how:5} {name:8} {kib:6.2f} KiB")
    return found


def one(contestant: Contestant, values: Values, how: str, connections: int) -> float:
    """Return KiB per connection."""
    before = descendants(os.getpid())
    port = values[PORTS[how]]
    with running(contestant, values, str(PROXY_CORE), values["LISTEN"]):
        wrk(port if how == "plain" else f"https://127.0.0.1:{port}", 1, 1)
        time.sleep(SETTLE_S)
        pids = descendants(os.getpid()) - before
        empty = pss_kib(pids)
        # fmt: off
        clients = subprocess.Popen(
            ("taskset", "--cpu-list", str(LOAD_CORE), sys.executable,
             str(PEERS / "idle_clients.py"), port, str(connections), how),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        # fmt: on
        with clients:
            assert clients.stdout is not None
            ready = clients.stdout.readline()
            time.sleep(SETTLE_S)
            full = pss_kib(pids)
            told, _ = clients.communicate()
    if ready != "ready\n" or told != "ended 0\n":
        raise NotComparable(f"{contestant.name}: clients told {ready!r}, {told!r}")
    return (full - empty) / connections


if __name__ == "__main__":
    sys.exit(main())
