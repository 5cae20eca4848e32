"""How long requests take while the configuration changes, beside when it does not.

    python -m bench.changes [--rounds 5] [--seconds 5] [--rate 400] [--pure]

One node with 1,000 rules and 1,000 targets in 100 groups serves an open loop.
Quiet phases and phases with ten changes a second take turns; a change is a rule
that leads elsewhere, a rule more or less, a target more or less, or an attribute
of a group. `make bench` runs it. See bench/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Final

from alb.model import (
    Forward,
    Listener,
    LoadBalancer,
    LoadBalancerAttributes,
    PathPattern,
    Rule,
    TargetGroup,
    TargetId,
    WeightedGroup,
)
from bench.load import RULES, Disturbed, Phase, built, rule_paths, timed
from bench.node import Node, Place, node, place_with_origin, plainly, step_back
from bench.record import is_smoke, write_result

GROUPS: Final = 100
TARGETS: Final = 1000
CHANGES_PER_S: Final = 10
OPEN_CONNECTIONS: Final = 200
"""Clients that stay connected through all of it without asking anything."""


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.rounds, options.seconds = 1, 1
    try:
        with plainly(), place_with_origin() as place:
            phases = asyncio.run(rounds(options, place))
    except Disturbed as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    quiet, changing = medians(phases)
    print(
        f"p99 {quiet:.2f} ms quiet, {changing:.2f} ms during {CHANGES_PER_S} changes "
        f"a second: {changing / quiet:.2f} times"
    )
    record(options, phases)
    return 0


def medians(phases: Sequence[tuple[Phase, Phase]]) -> tuple[float, float]:
    """Return the median p99, quiet and changing, in milliseconds."""
    return (
        statistics.median(quiet.p99_ms for quiet, _ in phases),
        statistics.median(changing.p99_ms for _, changing in phases),
    )


def record(options: argparse.Namespace, phases: Sequence[tuple[Phase, Phase]]) -> None:
    quiet, changing = medians(phases)
    write_result(
        "changes",
        f"p99 in ms with {RULES} rules and {TARGETS} targets, open loop of "
        f"{options.rate} requests/s: quiet, and during {CHANGES_PER_S} changes/s",
        {
            "node": "sources" if options.pure else "wheel",
            "seconds": options.seconds,
            "quiet_p99_ms": quiet,
            "changing_p99_ms": changing,
            "ratio": round(changing / quiet, 3),
            "rounds": [
                {"quiet": asdict(one), "changing": asdict(other)}
                for one, other in phases
            ],
        },
    )


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.changes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=400)
    parser.add_argument("--pure", action="store_true", help="from the sources")
    return parser.parse_args(arguments)


async def rounds(
    options: argparse.Namespace, place: Place
) -> list[tuple[Phase, Phase]]:
    """Return what was seen, one pair (quiet, changing) per round."""
    found: list[tuple[Phase, Phase]] = []
    async with node(place, pure=options.pure) as running:
        changes = Changes(running, place)
        await changes.begin()
        clients = [
            await asyncio.open_connection("127.0.0.1", place.listen)
            for _ in range(OPEN_CONNECTIONS)
        ]
        step_back()
        program, paths = built(place.directory), rule_paths()

        def phase(seconds: int) -> Coroutine[None, None, Phase]:
            return timed(program, place, paths, seconds, options.rate)

        await phase(1)
        for number in range(options.rounds):
            quiet = await phase(options.seconds)
            changing = await changes.during(phase(options.seconds))
            found.append((quiet, changing))
            print(
                f"round {number + 1}: p99 {quiet.p99_ms:.2f} ms quiet, "
                f"{changing.p99_ms:.2f} ms during {changing.changes} changes "
                f"(load late by {quiet.lag_p99_ms:.2f} and {changing.lag_p99_ms:.2f})"
            )
        if closed := sum(reader.at_eof() for reader, _ in clients):
            raise Disturbed(f"{closed} of {OPEN_CONNECTIONS} open connections ended")
        for _, writer in clients:
            writer.transport.abort()
    return found


class Changes:
    """The configuration, and what changes of it."""

    def __init__(
        self,
        node: Node,
        place: Place,
        more: TargetGroup | None = None,
        rule: Rule | None = None,
    ) -> None:
        """`more` and `rule` are there besides, and stay."""
        self._more = () if more is None else (more,)
        self._rule_besides = () if rule is None else (rule,)
        self._node = node
        self._balancer = node.balancer
        self._place = place
        self._groups = [TargetGroup(f"group-{n}") for n in range(GROUPS)]
        self._rules = [self._rule(n, n % GROUPS) for n in range(RULES)]
        self._steps = self._forever()

    async def begin(self) -> None:
        """Serve all of it, every target healthy."""
        self._configure()
        for number in range(TARGETS):
            self._register(f"target-{number}", number % GROUPS)
        await self._node.ready()

    async def during(self, phase: Coroutine[None, None, Phase]) -> Phase:
        """Change things until `phase` is over; tell in it how often."""
        running_phase = asyncio.ensure_future(phase)
        made = 0
        while not running_phase.done():
            self.one()
            made += 1
            await asyncio.wait({running_phase}, timeout=1 / CHANGES_PER_S)
        return replace(running_phase.result(), changes=made)

    def one(self) -> None:
        """Make the next change."""
        next(self._steps)

    def _configure(self) -> None:
        patient = LoadBalancerAttributes(idle_timeout_s=4000.0)
        rules = (*self._rules, *self._rule_besides)
        front = Listener(self._place.listen, to("group-0"), rules, attributes=patient)
        self._balancer.configure(
            LoadBalancer(
                "bench", listeners=(front,), groups=(*self._groups, *self._more)
            )
        )

    def _forever(self) -> Iterator[None]:
        for turn in itertools.count():
            at = turn * 7 % RULES
            self._rules[at] = self._rule(at, turn % GROUPS)
            self._configure()
            yield
            extra = Rule(
                RULES + 1 + turn % 100, self._paths(RULES), to(f"group-{turn % GROUPS}")
            )
            self._rules.append(extra)
            self._configure()
            yield
            self._rules.remove(extra)
            self._configure()
            yield
            self._register(f"more-{turn}", turn % GROUPS)
            yield
            self._balancer.deregister(TargetId(f"more-{turn}"))
            yield
            self._balancer.forget(TargetId(f"more-{turn}"))
            delay_s = 300.0 + turn % 2
            changed = replace(
                self._groups[turn % GROUPS], deregistration_delay_s=delay_s
            )
            self._groups[turn % GROUPS] = changed
            self._configure()
            yield

    def _register(self, name: str, group: int) -> None:
        self._balancer.register(
            TargetId(name), f"group-{group}", "127.0.0.1", self._place.origin
        )

    def _rule(self, number: int, group: int) -> Rule:
        return Rule(number + 1, self._paths(number), to(f"group-{group}"))

    @staticmethod
    def _paths(number: int) -> tuple[PathPattern]:
        return (PathPattern((f"/rule-{number}/*",)),)


def to(group: str) -> Forward:
    return Forward((WeightedGroup(group),))


if __name__ == "__main__":
    sys.exit(main())
