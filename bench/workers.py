"""What a second worker brings, and how connections are spread over two.

    python -m bench.workers [--rounds 5] [--seconds 4] [--spreads 21] [--pure]

Throughput of a worker that never rests is one second divided by its CPU per request.
So two workers bring twice (CPU per request with one) / (CPU per request with two):
what they take from each other, by caches, locks and shared counts, makes that less
than two. The workers may use both cores, and the load uses one of them too: on two
cores requests per second would tell of the load. See bench/README.md.

Spread: 64 connections at a time; how many the busiest worker has for each of the
idlest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from alb.model import (
    Forward,
    Listener,
    LoadBalancer,
    TargetGroup,
    TargetId,
    WeightedGroup,
)
from bench.cpu import cpu_s
from bench.node import Node, Place, node, place_with_origin
from bench.record import is_smoke, write_result
from bench.workloads import CONNECTIONS, NotComparable, wrk

CORES: Final = "0,1"
ACCEPTED_WITHIN_S: Final = 5.0
LOOK_S: Final = 0.02
ESTABLISHED: Final = "01"
"""As /proc/net/tcp has it."""


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.rounds, options.seconds, options.spreads = 1, 1, 3
    costs: dict[int, list[float]] = {1: [], 2: []}
    spreads: list[list[int]] = []
    try:
        with place_with_origin() as place:
            for number in range(options.rounds):
                for workers, found in costs.items():
                    us = asyncio.run(cost(place, workers, options))
                    found.append(us)
                    print(f"round {number + 1}: {workers} workers, {us:.1f} µs/request")
            spreads = asyncio.run(spread(place, options))
    except NotComparable as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    brings, busiest = scaling(costs), statistics.median(map(imbalance, spreads))
    print(f"two workers bring {brings:.2f} times one; busiest to idlest {busiest:.2f}")
    write_result(
        "workers",
        "throughput of two workers to that of one, by CPU µs per request; and "
        f"connections of the busiest worker to the idlest's, of {CONNECTIONS}",
        {
            "node": "sources" if options.pure else "wheel",
            "seconds": options.seconds,
            "scaling": round(brings, 3),
            "imbalance": round(busiest, 3),
            "us": {str(workers): found for workers, found in costs.items()},
            "connections": spreads,
        },
    )
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.workers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--spreads", type=int, default=21)
    parser.add_argument("--pure", action="store_true", help="from the sources")
    return parser.parse_args(arguments)


def scaling(costs: Mapping[int, Sequence[float]]) -> float:
    """Return the throughput of two workers, each never resting, to that of one."""
    return 2 * statistics.median(costs[1]) / statistics.median(costs[2])


def imbalance(connections: Sequence[int]) -> float:
    """Return how many the busiest has for each of the idlest; inf: one has none."""
    return max(connections) / min(connections) if min(connections) else float("inf")


async def cost(place: Place, workers: int, options: argparse.Namespace) -> float:
    """Return CPU µs per request of a node with so many workers."""
    async with node(place, workers=workers, cores=CORES, pure=options.pure) as running:
        await serve(running, place)
        await asyncio.to_thread(wrk, str(place.listen), 1, 1)
        before = cpu_s(set(running.pids))
        told = await asyncio.to_thread(wrk, str(place.listen), options.seconds, 2)
        used_s = cpu_s(set(running.pids)) - before
    if told["failed"] or not told["requests"]:
        raise NotComparable(f"{told['failed']} requests failed")
    return used_s / told["requests"] * 1e6


async def spread(place: Place, options: argparse.Namespace) -> list[list[int]]:
    """Return how many connections each of two workers had, again and again."""
    found = []
    async with node(place, workers=2, cores=CORES, pure=options.pure) as running:
        await serve(running, place)
        workers = sorted(pid for pid in running.pids if _is_worker(pid))
        for _ in range(options.spreads):
            clients = [
                socket.create_connection(("127.0.0.1", place.listen))
                for _ in range(CONNECTIONS)
            ]
            found.append(await _accepted(workers, place.listen))
            for client in clients:
                client.close()
            while sum(connections_of(workers, place.listen)):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
    return found


async def serve(running: Node, place: Place) -> None:
    to = Forward((WeightedGroup("web"),))
    running.balancer.configure(
        LoadBalancer(
            "bench",
            listeners=(Listener(place.listen, to),),
            groups=(TargetGroup("web"),),
        )
    )
    running.balancer.register(TargetId("web"), "web", "127.0.0.1", place.origin)
    await running.ready()


async def _accepted(workers: Sequence[int], port: int) -> list[int]:
    """Wait until every connection is some worker's; return how many each has."""
    async with asyncio.timeout(ACCEPTED_WITHIN_S):
        while True:
            found = connections_of(workers, port)
            if sum(found) == CONNECTIONS:
                return found
            await asyncio.sleep(LOOK_S)


def connections_of(pids: Sequence[int], port: int) -> list[int]:
    """Return how many connections at local `port` each process has."""
    there = inodes_at(Path("/proc/net/tcp").read_text().splitlines()[1:], port)
    return [len(there & _sockets(pid)) for pid in pids]


def inodes_at(lines: Iterable[str], port: int) -> frozenset[str]:
    """Return the inodes of connections at local `port`, of lines of /proc/net/tcp."""
    rows = (line.split() for line in lines)
    return frozenset(
        row[9]
        for row in rows
        if row[3] == ESTABLISHED and int(row[1].rpartition(":")[2], 16) == port
    )


def _sockets(pid: int) -> frozenset[str]:
    """Return the inodes of the sockets that a process has open."""
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            link = os.readlink(file)
            if link.startswith("socket:["):
                found.add(link.removeprefix("socket:[").removesuffix("]"))
    return frozenset(found)


def _is_worker(pid: int) -> bool:
    return b"alb.app.worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


if __name__ == "__main__":
    sys.exit(main())
