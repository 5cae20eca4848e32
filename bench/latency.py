"""What a proxy adds to a request's time at a rate it can well bear.

    python -m bench.latency [--rounds 5] [--seconds 4] [--arrivals poisson]

The rate is half of what our node answers when 64 connections ask without pause; it
is found first, and then the same for everybody. An open loop (`peers/open_loop.c`)
counts from when a request was due. The target is asked directly in the same way,
and its time subtracted. See bench/README.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.contestants import CONTESTANTS, Values
from bench.load import built
from bench.proxy import require_same_features
from bench.record import is_smoke, write_result
from bench.stage import PROXY_CORE, running, stage
from bench.workloads import LOAD_CORE, NotComparable, Told, told_by, wrk

DIRECT: Final = "direct"
NAMES: Final = (DIRECT, "alb", "haproxy")
PERCENTILES: Final = ("p50_us", "p99_us")

Rounds = Mapping[str, Sequence[Told]]
"""What was told in each round, by who was asked."""


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.rounds, options.seconds = 1, 1
    try:
        rate, found = measure(options)
    except NotComparable as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    added = {
        name: {
            percentile: added_us(found, name, percentile) for percentile in PERCENTILES
        }
        for name in NAMES
        if name != DIRECT
    }
    for name, us in added.items():
        print(
            f"{name:8} adds {us['p50_us']:6.1f} µs (p50), {us['p99_us']:6.1f} µs (p99)"
        )
    write_result(
        "latency",
        "µs added to a request at half of our saturating rate: open loop, "
        "direct subtracted, median of rounds",
        {
            "rate": rate,
            "arrivals": options.arrivals,
            "seconds": options.seconds,
            "versions": {n: CONTESTANTS[n].version_told() for n in added},
            "added_us": added,
            "times_haproxy": {
                percentile: round(
                    added["alb"][percentile] / added["haproxy"][percentile], 3
                )
                for percentile in PERCENTILES
            },
            "rounds": found,
        },
    )
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--arrivals", choices=("poisson", "even"), default="poisson")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace) -> tuple[int, Rounds]:
    """Return the rate in requests a second, and what was told at it."""
    found: dict[str, list[Told]] = {name: [] for name in NAMES}
    with stage() as values:
        program = built(Path(values["DIRECTORY"]))
        rate = saturating_rate(values, options.seconds) // 2
        print(f"{rate} requests a second, arrivals {options.arrivals}")
        for number in range(options.rounds):
            load = (str(rate), str(options.seconds), str(number), options.arrivals)
            for name in NAMES:
                told = asked(name, values, (program, *load))
                found[name].append(told)
                print(
                    f"round {number + 1}: {name:8} p50 {told['p50_us']:7.1f} µs, "
                    f"p99 {told['p99_us']:7.1f} µs (load late by "
                    f"{told['lag_p99_us']:.1f} µs)"
                )
    return rate, found


def saturating_rate(values: Values, seconds: int) -> int:
    """Return how many requests a second our node answers when it never rests."""
    port = values["LISTEN"]
    with running(CONTESTANTS["alb"], values, str(PROXY_CORE), port):
        wrk(port, 1, 1)
        told = wrk(port, seconds, 2)
    return int(told["requests"] / told["duration_s"])


def asked(name: str, values: Values, load: Sequence[str]) -> Told:
    """Return what the load told that asked `name`. Raises NotComparable."""
    program, *arguments = load
    start = ("taskset", "--cpu-list", str(LOAD_CORE), program)
    if name == DIRECT:
        told = told_by((*start, values["ORIGIN_A"], *arguments))
    else:
        port = values["LISTEN"]
        with running(CONTESTANTS[name], values, str(PROXY_CORE), port):
            require_same_features(port)
            wrk(port, 1, 1)
            told = told_by((*start, port, *arguments))
    if told["failed"] or not told["requests"]:
        raise NotComparable(f"{name}: {told['failed']} requests failed")
    return told


def added_us(found: Rounds, name: str, percentile: str) -> float:
    """Return the median of what `name` added in each round to what direct took."""
    return round(
        statistics.median(
            told[percentile] - direct[percentile]
            for told, direct in zip(found[name], found[DIRECT], strict=True)
        ),
        1,
    )


if __name__ == "__main__":
    sys.exit(main())
