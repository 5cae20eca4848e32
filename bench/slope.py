"""What the last of many rules costs, beside the last of ten.

    python -m bench.slope [--rounds 5] [--seconds 3] [--pure]

Rules are of one kind: literal paths, prefixes, or host names. Every request meets
the last of them. CPU of all processes of the node per request; sizes take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from alb.model import (
    Condition,
    Forward,
    HostHeader,
    Listener,
    LoadBalancer,
    PathPattern,
    Rule,
    TargetGroup,
    TargetId,
    WeightedGroup,
)
from bench.cpu import cpu_s
from bench.node import Place, node, place_with_origin
from bench.record import is_smoke, write_result
from bench.workloads import NotComparable, Told, wrk

SIZES: Final = (10, 1_000, 10_000)
ANY_HOST: Final = "www.example.com"
TO: Final = Forward((WeightedGroup("web"),))


@dataclass(frozen=True, slots=True)
class Kind:
    """Rules of one kind, and what a request says that meets rule `number`."""

    name: str

    def condition(self, number: int) -> Condition:
        if self.name == "host":
            return HostHeader((f"h{number}.example.com",))
        return PathPattern((self._path(number),))

    def asked(self, number: int) -> tuple[str, str]:
        """Return host and path."""
        if self.name == "host":
            return f"h{number}.example.com", "/*"
        return ANY_HOST, self._path(number)

    def _path(self, number: int) -> str:
        return f"/p{number}" if self.name == "literal" else f"/p{number}/*"


KINDS: Final = tuple(Kind(name) for name in ("literal", "prefix", "host"))


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.rounds, options.seconds = 1, 1
    found: dict[str, list[float]] = {}
    try:
        with place_with_origin() as place:
            for number in range(options.rounds):
                for kind in KINDS:
                    for size in SIZES:
                        cost = asyncio.run(one(place, kind, size, options))
                        found.setdefault(f"{kind.name}-{size}", []).append(cost)
                print(f"round {number + 1} of {options.rounds}")
    except NotComparable as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    print(table(found))
    write_result(
        "slope",
        "CPU µs per request to the last rule of a kind, by their number",
        {
            "node": "sources" if options.pure else "wheel",
            "us": {name: {"rounds": costs} for name, costs in found.items()},
            "slope": round(steepest(found), 3),
        },
    )
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.slope", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--pure", action="store_true", help="from the sources")
    return parser.parse_args(arguments)


async def one(
    place: Place, kind: Kind, size: int, options: argparse.Namespace
) -> float:
    """Return CPU µs per request to the last of `size` rules."""
    rules = tuple(
        Rule(number, (kind.condition(number),), TO) for number in range(1, size + 1)
    )
    front = Listener(place.listen, Forward((WeightedGroup("none"),)), rules)
    groups = (TargetGroup("web"), TargetGroup("none"))
    async with node(place, pure=options.pure) as running:
        running.balancer.configure(
            LoadBalancer("bench", listeners=(front,), groups=groups)
        )
        running.balancer.register(TargetId("web"), "web", "127.0.0.1", place.origin)
        await running.ready()
        await asked(place, kind, size, 1)
        before = cpu_s(set(running.pids))
        told = await asked(place, kind, size, options.seconds)
        used_s = cpu_s(set(running.pids)) - before
    if told["failed"] or not told["requests"]:
        raise NotComparable(f"{told['failed']} requests failed")
    return used_s / told["requests"] * 1e6


async def asked(place: Place, kind: Kind, number: int, seconds: int) -> Told:
    port = str(place.listen)
    return await asyncio.to_thread(
        wrk, port, seconds, number, "one.lua", *kind.asked(number)
    )


def table(found: dict[str, list[float]]) -> str:
    """Return the medians, each with its ratio to that of the fewest rules."""
    lines = [f"{'':8}" + "".join(f"{size:>16} rules" for size in SIZES)]
    for kind in KINDS:
        medians = _medians(found, kind)
        cells = (f"{us:10.1f} µs ({us / medians[0]:5.2f})" for us in medians)
        lines.append(f"{kind.name:8}" + " ".join(cells))
    return "\n".join(lines)


def steepest(found: dict[str, list[float]]) -> float:
    """Return the worst ratio of more rules to the fewest, of any kind."""
    return max(
        max(medians) / medians[0] for medians in (_medians(found, k) for k in KINDS)
    )


def _medians(found: dict[str, list[float]], kind: Kind) -> list[float]:
    return [statistics.median(found[f"{kind.name}-{size}"]) for size in SIZES]


if __name__ == "__main__":
    sys.exit(main())
