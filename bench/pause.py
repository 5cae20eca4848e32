"""How long a worker stands still when a snapshot arrives.

    python -m bench.pause [--rounds 11] [--pure]

One connection asks again and again while 1,000 rules and 1,000 targets come that the
worker has never seen. The longest answer of each round, and the same without a
snapshot; the difference of their medians is the pause.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from alb.model import (
    FixedResponse,
    Forward,
    Listener,
    LoadBalancer,
    PathPattern,
    Rule,
    TargetGroup,
    TargetId,
    WeightedGroup,
)
from bench.contestants import PEERS
from bench.node import Node, Place, node, place_with_origin, step_back
from bench.record import is_smoke, write_result
from bench.workloads import LOAD_CORE, NotComparable

RULES: Final = 1000
GROUPS: Final = 100
ROUND_S: Final = 2


def main() -> int:
    options = parse(sys.argv[1:])
    try:
        with place_with_origin() as place:
            found = asyncio.run(
                rounds(place, options, 1 if is_smoke() else options.rounds)
            )
    except NotComparable as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    quiet = statistics.median(before for before, _ in found)
    arriving = statistics.median(during for _, during in found)
    print(
        f"longest answer {quiet:.2f} ms without, {arriving:.2f} ms with a snapshot of "
        f"{RULES} rules and {RULES} targets: a pause of {arriving - quiet:.2f} ms"
    )
    write_result(
        "pause",
        "longest answer in ms to one connection, without and with a snapshot",
        {
            "node": "sources" if options.pure else "wheel",
            "pause_ms": round(arriving - quiet, 3),
            "ms": found,
        },
    )
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.pause", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--pure", action="store_true", help="from the sources")
    return parser.parse_args(arguments)


async def rounds(
    place: Place, options: argparse.Namespace, count: int
) -> list[tuple[float, float]]:
    """Return the longest answers in milliseconds, (without, with) per round."""
    found: list[tuple[float, float]] = []
    async with node(place, pure=options.pure) as running:
        serve(running, place, 0)
        await running.ready()
        step_back()
        for number in range(1, count + 1):
            before = await longest_ms(place)
            async with asyncio.TaskGroup() as tasks:
                asking = tasks.create_task(longest_ms(place))
                await asyncio.sleep(ROUND_S / 2)
                serve(running, place, number)
            found.append((before, asking.result()))
            print(f"round {number}: {before:.2f} ms, {asking.result():.2f} ms")
            await running.ready()
    return found


def serve(running: Node, place: Place, generation: int) -> None:
    """Say rules, groups and targets of which none was said before."""
    asked = Rule(1, (PathPattern(("/asked",)),), FixedResponse(200))
    names = [f"group-{generation}-{number}" for number in range(GROUPS)]
    rules = tuple(
        Rule(
            number + 2,
            (PathPattern((f"/rule-{generation}-{number}/*",)),),
            Forward((WeightedGroup(names[number % GROUPS]),)),
        )
        for number in range(RULES)
    )
    front = Listener(place.listen, FixedResponse(404), (asked, *rules))
    balancer = running.balancer
    for number in range(RULES):
        balancer.forget(TargetId(f"target-{generation - 1}-{number}"))
    balancer.configure(
        LoadBalancer(
            "bench",
            listeners=(front,),
            groups=tuple(TargetGroup(name) for name in names),
        )
    )
    for number in range(RULES):
        balancer.register(
            TargetId(f"target-{generation}-{number}"),
            names[number % GROUPS],
            "127.0.0.1",
            place.origin,
        )


async def longest_ms(place: Place) -> float:
    """Ask on one connection for a round; return the longest answer."""
    # fmt: off
    process = await asyncio.create_subprocess_exec(
        "taskset", "--cpu-list", str(LOAD_CORE), "wrk",
        "--threads", "1", "--connections", "1", "--duration", f"{ROUND_S}s",
        "--timeout", "5s", "--script", str(PEERS / "longest.lua"),
        f"http://127.0.0.1:{place.listen}/asked",
        stdout=subprocess.PIPE,
    )
    # fmt: on
    out, _ = await process.communicate()
    found = re.search(rb"^result (\d+) (\d+)$", out, re.MULTILINE)
    if not found or found[2] != b"0":
        raise NotComparable(f"wrk told {out!r}")
    return int(found[1]) / 1000


if __name__ == "__main__":
    sys.exit(main())
