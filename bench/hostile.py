"""What others wait for while some are slow, many, or reset; and what is left of it.

    python -m bench.hostile [--rounds 3] [--seconds 8] [--rate 400] [--kinds heads,idle]

Quiet phases and hostile phases take turns, for each kind of crowd (`bench.crowds`)
and of slow target (`bench.stubborn`). An open loop asks the rules of `bench.changes`
all the while, and no request of it may fail; what its p99 becomes is told as a ratio,
beside what the worker holds before, meanwhile and when the crowd has gone. See
bench/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
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
from bench.beside import beside
from bench.crowds import KINDS
from bench.load import Disturbed, Phase, built, timed
from bench.node import Node, Place, node, place_with_origin, plainly, step_back
from bench.processes import held_by
from bench.record import is_smoke, write_result

RECOVERY_MAX_S: Final = 30.0
FILES_SLACK: Final = 8
"""Connections to targets that wait in pools come and go."""
STEP_S: Final = 0.05
QUICK: Final = LoadBalancerAttributes(idle_timeout_s=4, head_timeout_s=2)
"""So that deadlines come within a phase."""
SMOKE_SCALE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Round:
    """One kind of crowd, once. Bytes, files, seconds."""

    quiet: Phase
    hostile: Phase
    memory_before: int
    memory_hostile: int
    memory_after: int
    files_before: int
    files_hostile: int
    files_after: int
    connections: int
    """That were open at the end of the hostile phase."""
    ended: Mapping[str, int]
    """Requests that were refused or failed meanwhile, by reason: none of the load's."""
    recovery_s: float
    """From when the crowd left until nothing of it was open or in flight."""


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.rounds, options.seconds, options.scale = 1, 1, SMOKE_SCALE
    try:
        with plainly(), place_with_origin() as place:
            found = asyncio.run(measure(options, place))
    except Disturbed as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    for kind, rounds in found.items():
        print(f"{kind}: p99 {ratio(rounds):.2f} times the quiet one (median)")
    record(options, found)
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.hostile", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rate", type=int, default=400)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--scale", type=float, default=1.0, help="of every crowd")
    parser.add_argument("--pure", action="store_true", help="from the sources")
    return parser.parse_args(arguments)


def ratio(rounds: Sequence[Round]) -> float:
    """Return the median p99 of hostile phases by that of quiet ones."""
    quiet = statistics.median(one.quiet.p99_ms for one in rounds)
    return statistics.median(one.hostile.p99_ms for one in rounds) / quiet


def record(options: argparse.Namespace, found: Mapping[str, Sequence[Round]]) -> None:
    write_result(
        "hostile",
        f"p99 in ms of an open loop of {options.rate} requests/s while others are "
        "slow, many, or reset, beside a quiet phase; memory and files of the worker",
        {
            "node": "sources" if options.pure else "wheel",
            "seconds": options.seconds,
            "scale": options.scale,
            "ratio": round(max(ratio(rounds) for rounds in found.values()), 3),
            "kinds": {
                kind: {
                    "ratio": round(ratio(rounds), 3),
                    "rounds": [asdict(one) for one in rounds],
                }
                for kind, rounds in found.items()
            },
        },
    )


async def measure(options: argparse.Namespace, place: Place) -> dict[str, list[Round]]:
    """Return the rounds by kind of crowd."""
    found: dict[str, list[Round]] = {}
    async with (
        node(place, pure=options.pure) as running,
        beside("bench.stubborn", str(place.spare), "aside"),
    ):
        configure(running, place)
        await running.ready()
        step_back()
        program = built(place.directory)

        def phase(seconds: int) -> Coroutine[None, None, Phase]:
            return timed(program, place, ["/asked"], seconds, options.rate)

        await phase(1)
        for number in range(options.rounds):
            for kind in options.kinds.split(","):
                one = await round_of(kind, running, place, phase, options)
                found.setdefault(kind, []).append(one)
                print(f"round {number + 1}, {told(kind, one)}")
    return found


def told(kind: str, one: Round) -> str:
    mib = 1 << 20
    return (
        f"{kind}: p99 {one.quiet.p99_ms:.2f} ms quiet, {one.hostile.p99_ms:.2f} ms "
        f"hostile (load late by {one.hostile.lag_p99_ms:.2f}); {one.connections} open, "
        f"{one.memory_before / mib:.0f} -> {one.memory_hostile / mib:.0f} -> "
        f"{one.memory_after / mib:.0f} MiB, {one.files_before} -> {one.files_hostile} "
        f"-> {one.files_after} files, recovered in {one.recovery_s:.1f} s, {one.ended}"
    )


async def round_of(
    kind: str,
    running: Node,
    place: Place,
    phase: Callable[[int], Coroutine[None, None, Phase]],
    options: argparse.Namespace,
) -> Round:
    quiet = await phase(options.seconds)
    await recovered(running)
    pid = running.worker_pid
    before, counted = held_by(pid), ended_so_far(running)
    async with crowd(kind, place.listen, options.scale):
        hostile = await phase(options.seconds)
        meanwhile = held_by(pid)
        connections = running.balancer.statistics().totals.connections
        left_at = time.monotonic()
    await recovered(running, before.files + FILES_SLACK)
    after = held_by(pid)
    return Round(
        quiet,
        hostile,
        *(before.memory, meanwhile.memory, after.memory),
        *(before.files, meanwhile.files, after.files),
        connections,
        {
            reason: count - counted.get(reason, 0)
            for reason, count in ended_so_far(running).items()
            if count != counted.get(reason, 0)
        },
        round(time.monotonic() - left_at, 2),
    )


def ended_so_far(running: Node) -> dict[str, int]:
    """Return how many requests ended without their answer, by reason."""
    (listener,) = running.balancer.statistics().totals.listeners.values()
    return {
        name.partition(".")[2]: count
        for name, count in listener.totals.items()
        if name.startswith(("failure.", "refused."))
    }


async def recovered(running: Node, files_max: int | None = None) -> None:
    """Wait until nothing is open. Raises Disturbed when something stays."""
    pid = running.worker_pid
    try:
        async with asyncio.timeout(RECOVERY_MAX_S):
            while not (  # noqa: ASYNC110 - other processes make it true
                is_at_rest(running)
                and (files_max is None or held_by(pid).files <= files_max)
            ):
                await asyncio.sleep(STEP_S)
    except TimeoutError:
        totals = running.balancer.statistics().totals
        raise Disturbed(
            f"after {RECOVERY_MAX_S:.0f} s {totals.connections} connections, "
            f"{sum(totals.in_flight.values())} requests and {held_by(pid).files} files "
            f"were left (of {files_max})"
        ) from None


def is_at_rest(running: Node) -> bool:
    totals = running.balancer.statistics().totals
    return not totals.connections and not totals.in_flight


def configure(running: Node, place: Place) -> None:
    """Others are served by one group, crowds by another with a slow target."""
    rule = Rule(1, (PathPattern(("/slow/*",)),), to("slow"))
    front = Listener(place.listen, to("others"), (rule,), attributes=QUICK)
    groups = (TargetGroup("others"), TargetGroup("slow"))
    running.balancer.configure(LoadBalancer("bench", listeners=(front,), groups=groups))
    for group, port in (("others", place.origin), ("slow", place.spare)):
        running.balancer.register(TargetId(group), group, "127.0.0.1", port)


def to(group: str) -> Forward:
    return Forward((WeightedGroup(group),))


@asynccontextmanager
async def crowd(kind: str, port: int, scale: float) -> AsyncIterator[None]:
    """Have a crowd come; it leaves in the end, unless it was ended before."""
    async with beside("bench.crowds", kind, str(port), "--scale", str(scale)):
        yield


if __name__ == "__main__":
    sys.exit(main())
