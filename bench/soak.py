"""An hour of everything at once: nothing may fail, and nothing may grow.

    python -m bench.soak [--minutes 60] [--rate 300] [--pure]

Two workers serve 1,000 rules. An open loop asks; clients that keep their connection
ask now and then; WebSockets echo; in bursts ten changes a second are made; one of the
two workers is replaced every minute and drains. Sampled all the while: files, memory,
and the counters, which may only grow. The other worker lives through all of it: what
it holds in the last tenth is held against the first one after warming up. See
bench/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from alb.app.balancer import BalancerStatistics
from alb.model import PathPattern, Rule, TargetGroup, TargetId
from bench.beside import beside
from bench.changes import Changes, to
from bench.load import Disturbed, Phase, load, rule_urls
from bench.node import (
    Node,
    Place,
    last_words,
    node,
    place_with_origin,
    plainly,
    step_back,
)
from bench.processes import Held, held_by
from bench.record import is_smoke, write_result
from bench.visitors import Visitors

CHANGES_PER_S: Final = 10
BURST_S: Final = 10.0
"""Of changes, and as long without any."""
REPLACE_EVERY_S: Final = 60.0
REPLACED_SLOT: Final = 1
SAMPLES: Final = 400
WARM_SHARE: Final = 0.1
TENTH: Final = 0.1
MEMORY_GROWTH_MAX: Final = 1.05
FILES_GROWTH_MAX: Final = 10
KEPT: Final = 50
WEBSOCKETS: Final = 20
SMOKE_MINUTES: Final = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """What was held at one moment: by the worker that stays, and by the whole node."""

    at_s: float
    worker: Held
    node: Held


@dataclass(slots=True)
class Soaked:
    """What became of it."""

    samples: list[Sample] = field(default_factory=list)
    changes: int = 0
    replaced: int = 0
    ended: int = 0
    """Workers that ended, those that were replaced among them."""
    shrunk: list[str] = field(default_factory=list)
    """Counters that were less than before."""


def main() -> int:
    options = parse(sys.argv[1:])
    smoke = is_smoke()
    if smoke:
        options.minutes = SMOKE_MINUTES
    try:
        with plainly(), place_with_origin() as place:
            found, phase, visitors = asyncio.run(soak(options, place))
        if not smoke:
            check_flat(found.samples)
    except Disturbed as why:
        print(f"DISTURBED: {why}", file=sys.stderr)
        return 1
    told = summary(found, phase, visitors)
    print(", ".join(f"{name}: {value}" for name, value in told.items()))
    record(options, told, found.samples)
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--pure", action="store_true", help="from the sources")
    return parser.parse_args(arguments)


# --- what is held -----------------------------------------------------------------


def tenths(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Return the first tenth after warming up, and the last one."""
    size = max(1, round(len(samples) * TENTH))
    warm = round(len(samples) * WARM_SHARE)
    return [*samples[warm : warm + size]], [*samples[-size:]]


def middle(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the medians. Bytes and files."""
    return {
        "worker_memory": statistics.median(one.worker.memory for one in samples),
        "worker_files": statistics.median(one.worker.files for one in samples),
        "node_memory": statistics.median(one.node.memory for one in samples),
        "node_files": statistics.median(one.node.files for one in samples),
    }


def check_flat(samples: Sequence[Sample]) -> None:
    """Raises Disturbed when something grew."""
    before, after = map(middle, tenths(samples))
    grown = [
        f"{name} from {before[name]:.0f} to {after[name]:.0f}"
        for name in before
        if (
            after[name] > before[name] + FILES_GROWTH_MAX
            if name.endswith("files")
            else after[name] > before[name] * MEMORY_GROWTH_MAX
        )
    ]
    if grown:
        raise Disturbed("grown: " + "; ".join(grown))


def counters_of(statistics_: BalancerStatistics) -> dict[str, int]:
    """Return every counter by its name, over all workers there ever were."""
    totals = statistics_.totals
    return {
        f"{kind} {name} {counter}": value
        for kind, parts in (("listener", totals.listeners), ("group", totals.groups))
        for name, counters in parts.items()
        for counter, value in counters.totals.items()
    }


def shrunk(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """Return the counters that went back, or went away."""
    return [
        f"{name} from {value} to {after.get(name)}"
        for name, value in before.items()
        if after.get(name, -1) < value
    ]


# --- running ----------------------------------------------------------------------


async def soak(
    options: argparse.Namespace, place: Place
) -> tuple[Soaked, Phase, Visitors]:
    found = Soaked()
    async with (
        beside("bench.stubborn", str(place.spare)),
        node(place, workers=2, pure=options.pure) as running,
    ):
        running.balancer.register(TargetId("echo"), "echo", "127.0.0.1", place.spare)
        echo = Rule(40_000, (PathPattern(("/echo",)),), to("echo"))
        changes = Changes(running, place, TargetGroup("echo"), echo)
        await changes.begin()
        step_back()
        visitors = Visitors(place.listen)
        async with asyncio.TaskGroup() as tasks:
            beside_load = [
                tasks.create_task(visitors.keep_asking(KEPT)),
                tasks.create_task(visitors.keep_echoing(WEBSOCKETS)),
                tasks.create_task(change(changes, found)),
                tasks.create_task(replace(running, found)),
                tasks.create_task(sample(running, place, found, options.minutes * 60)),
            ]
            seconds = max(1, round(options.minutes * 60))
            phase = await load(rule_urls(place), seconds, options.rate)
            for task in beside_load:
                task.cancel()
    if found.shrunk:
        raise Disturbed("counters went back: " + "; ".join(found.shrunk[:5]))
    if visitors.failed:
        raise Disturbed(f"visitors failed: {visitors.failed[:5]}")
    return found, phase, visitors


async def change(changes: Changes, found: Soaked) -> None:
    while True:
        ends_s = time.monotonic() + BURST_S
        while time.monotonic() < ends_s:
            changes.one()
            found.changes += 1
            await asyncio.sleep(1 / CHANGES_PER_S)
        await asyncio.sleep(BURST_S)


async def replace(running: Node, found: Soaked) -> None:
    """Have one of the workers drain, again and again; the keeper starts the next."""
    while True:
        await asyncio.sleep(REPLACE_EVERY_S)
        for worker in running.balancer.statistics().workers:
            if worker.slot == REPLACED_SLOT:
                with contextlib.suppress(ProcessLookupError):  # it ended by itself
                    os.kill(worker.pid, signal.SIGTERM)
                    found.replaced += 1


async def sample(running: Node, place: Place, found: Soaked, seconds: float) -> None:
    stays = running.worker_pid
    began_s = time.monotonic()
    before: dict[str, int] = {}
    while True:
        told = running.balancer.statistics()
        found.ended = told.worker_exits
        now = counters_of(told)
        found.shrunk += shrunk(before, now)
        before = now
        if running.worker_pid != stays:
            raise Disturbed(f"the worker that was to stay ended: {last_words(place)}")
        found.samples.append(
            Sample(
                round(time.monotonic() - began_s, 1),
                held_by(stays),
                running.held(),
            )
        )
        await asyncio.sleep(seconds / SAMPLES)


# --- telling ----------------------------------------------------------------------


def summary(found: Soaked, phase: Phase, visitors: Visitors) -> dict[str, object]:
    before, after = map(middle, tenths(found.samples))
    return {
        "requests": phase.requests,
        "failed": 0,
        "p99_ms": phase.p99_ms,
        "kept_alive_requests": visitors.answered,
        "echoes": visitors.echoed,
        "reconnected": visitors.reconnected,
        "changes": found.changes,
        "workers_replaced": found.replaced,
        "workers_ended": found.ended,
        "first_tenth": before,
        "last_tenth": after,
    }


def record(
    options: argparse.Namespace,
    told: Mapping[str, object],
    samples: Sequence[Sample],
) -> None:
    write_result(
        "soak",
        "failed requests, and growth of memory (bytes) and files, under constant load, "
        "changes, replaced workers, kept connections and WebSockets",
        {
            "node": "sources" if options.pure else "wheel",
            "minutes": options.minutes,
            "rate": options.rate,
            **told,
            "samples": [asdict(one) for one in samples],
        },
    )


if __name__ == "__main__":
    sys.exit(main())
