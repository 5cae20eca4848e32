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
import os
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.contestants import CONTESTANTS, KNOWN, Contestant, Values
from bench.cpu import core_busy_s, cpu_s, descendants
from bench.record import Round, is_smoke, median_us, write_record
from bench.stage import CLIENT, PROXY_CORE, Answer, get, running, stage
from bench.workloads import WORKLOADS, NotComparable, Workload, wrk

BODY_BYTES: Final = 65
FOREIGN_SHARE_MAX: Final = 0.1


def main() -> int:
    options = parse(sys.argv[1:])
    rounds, seconds = (1, 1) if is_smoke() else (options.rounds, options.seconds)
    workload = WORKLOADS[options.workload]
    peers = options.peers or workload.only or CONTESTANTS
    names = [n for n in peers if not workload.only or n in workload.only]
    measured, refused = compare(workload, names, rounds, seconds)

    print(f"{workload.name}: {workload.measures}")
    print(table(measured, workload.unit, workload.base))
    for name, why in refused.items():
        print(f"{name}: NOT MEASURED: {why}", file=sys.stderr)
    if measured:
        write_record(workload, measured, rounds, seconds)
    return 1 if refused or not measured else 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.proxy", description=__doc__)
    parser.add_argument("--workload", choices=WORKLOADS, default="plain")
    parser.add_argument("--peers", type=lambda text: text.split(","), default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args(arguments)
    if unknown := set(options.peers) - set(KNOWN):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return options


def compare(
    workload: Workload,
    names: Sequence[str],
    rounds: int,
    seconds: int,
) -> tuple[dict[str, list[Round]], dict[str, str]]:
    """Return the rounds of each contestant, and why others have none."""
    refused = {n: why for n in names if (why := KNOWN[n].missing())}
    measured: dict[str, list[Round]] = {}
    with stage() as values:
        for number in range(rounds):
            for name in [name for name in names if name not in refused]:
                try:
                    done = one_round(workload, KNOWN[name], values, (seconds, number))
                except NotComparable as why:
                    refused[name] = str(why)
                    continue
                measured.setdefault(name, []).append(done)
                print(
                    f"round {number + 1}: {name:17} {done.cpu_us_per_request:6.1f} µs "
                    f"of CPU per request at {done.requests_per_s:6.0f} requests/s"
                    f"{disturbed(done)}"
                )
    return measured, refused


def one_round(
    workload: Workload,
    contestant: Contestant,
    values: Values,
    seconds_and_seed: tuple[int, int],
) -> Round:
    before = descendants(os.getpid())
    seconds, seed = seconds_and_seed
    port, directory = values["LISTEN"], Path(values["DIRECTORY"])
    with running(contestant, values, str(PROXY_CORE), port, logs=workload.logs):
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


def table(
    measured: dict[str, list[Round]], unit: str = "µs/request", base: str = "haproxy"
) -> str:
    """Return the medians as a table, the cheapest first, each beside that of `base`."""
    medians = sorted((median_us(rounds), name) for name, rounds in measured.items())
    compared = {name: us for us, name in medians}.get(base)
    lines = [
        f"{'':17} {'CPU ' + unit:>17} {'min-max':>13} "
        f"{'requests/s':>10} {'to ' + base:>10}"
    ]
    for us, name in medians:
        costs = [one.cpu_us_per_request for one in measured[name]]
        rate = statistics.median(one.requests_per_s for one in measured[name])
        ratio = f"{us / compared:10.2f}" if compared else f"{'-':>10}"
        spread = f"{min(costs):.1f}-{max(costs):.1f}"
        lines.append(f"{name:17} {us:17.1f} {spread:>13} {rate:10.0f} {ratio}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
