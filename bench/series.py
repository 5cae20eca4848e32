"""A day of metrics and alarms, in CPU and memory.

    python -m bench.series [--services 50] [--alarms 200] [--hours 24] [--rounds 3]

In memory, in a time of its own: each service has one datapoint a second (its CPU;
a share of a worker's, made to look like one, so that it does not compress better
than a real one), and the alarms, four to a service, are looked at as often as they
are due: two over minutes, looked at every minute; one over ten seconds by AWS's
timing, every ten; one on the p99 of a minute. Told besides: what one series takes
that holds three hours, of numbers like these, of counts, and of response times.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from autoscaler.app.alarms import measured_by
from autoscaler.decide.alarm import evaluate_alarm, look_every_s
from autoscaler.decide.statistics import Distribution, parse_statistic
from autoscaler.decide.utilization import cpu_metric
from autoscaler.model import Alarm, AlarmState, Comparison, Metric, Statistic
from autoscaler.state.series import SPAN_S, Series
from autoscaler.state.series_table import SeriesTable
from bench.record import is_smoke, write_result

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_CPU_S: Final = 60.0
"""The most that a day may take."""
GOLDEN: Final = 0.6180339887498949
KIB: Final = 1024


class TooSlow(Exception):
    """A day takes more than is promised."""


@dataclass(frozen=True, slots=True)
class Round:
    """One day, scaled to a whole one where less was measured."""

    recording_s: float
    alarms_s: float
    evaluations: int
    table_bytes: int

    @property
    def cpu_s(self) -> float:
        return self.recording_s + self.alarms_s


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.services, options.alarms, options.hours, options.rounds = 2, 8, 1, 1
    found = []
    for number in range(options.rounds):
        found.append(measure(options.services, options.alarms, options.hours))
        print(f"round {number + 1} of {options.rounds}: {found[-1]}")
    sizes = {name: kib_of(fill) for name, fill in KINDS.items()}
    print(told(found, sizes))
    record(options, found, sizes)
    try:
        judge(found)
    except TooSlow as slow:
        print(f"slower than promised: {slow}")
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.series", description=__doc__)
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--alarms", type=int, default=200)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(arguments)


def measure(services: int, alarms: int, hours: int) -> Round:
    """Let `hours` pass for so many services and alarms."""
    metrics = [cpu_metric("bench", f"service-{n}") for n in range(services)]
    watched = list(alarms_on(metrics, alarms))
    states = dict.fromkeys((alarm.name for alarm in watched), AlarmState.OK)
    table = SeriesTable()
    table.watch(dict.fromkeys(metrics, HOUR_S), 0)
    measured = measured_by(table.view())
    noise = draws()
    recording_s = alarms_s = 0.0
    evaluations = 0
    gc.collect()
    for minute in range(hours * MINUTE_S):
        values = [[100 * next(noise) for _ in metrics] for _ in range(MINUTE_S)]
        for second in range(minute * MINUTE_S, (minute + 1) * MINUTE_S):
            begun = time.process_time()
            for metric, value in zip(metrics, values[second % MINUTE_S], strict=True):
                table.record(metric, second, value)
            table.forget(second)
            recorded = time.process_time()
            for alarm in watched:
                if (second + 1) % look_every_s(alarm) == 0:
                    evaluations += 1
                    states[alarm.name] = evaluate_alarm(
                        alarm, measured, second + 1, states[alarm.name]
                    ).state
            alarms_s += time.process_time() - recorded
            recording_s += recorded - begun
    days = hours / 24
    size = table.statistics().size
    return Round(recording_s / days, alarms_s / days, evaluations, size)


def alarms_on(metrics: Sequence[Metric], wanted: int) -> Iterator[Alarm]:
    p99 = parse_statistic("p99")
    # fmt: off
    kinds = (
        ("high", Statistic.AVERAGE, 60, 3, Comparison.GREATER, 80.0),
        ("low",  Statistic.AVERAGE, 60, 15, Comparison.LESS, 20.0),
        ("fast", Statistic.AVERAGE, 10, 3, Comparison.GREATER, 90.0),
        ("tail", p99, 60, 3, Comparison.GREATER, 99.0),
    )
    # fmt: on
    for number in range(wanted):
        metric = metrics[number // len(kinds) % len(metrics)]
        name, statistic, period_s, n, comparison, threshold = kinds[number % len(kinds)]
        yield Alarm(
            f"{name}-{number}",
            metric,
            statistic,
            period_s,
            n,
            n,
            comparison,
            threshold,
            aws_timing=True,
        )


def draws() -> Iterator[float]:
    """Yield numbers between 0 and 1 that repeat nowhere and are the same each time."""
    return (number * GOLDEN % 1 for number in count(1))


# --- memory of one series -------------------------------------------------------------


def of_shares(series: Series) -> None:
    for second, value in zip(range(SPAN_S), draws(), strict=False):
        series.record(second, 100 * value)


def of_counts(series: Series) -> None:
    for second, value in zip(range(SPAN_S), draws(), strict=False):
        series.record(second, float(int(200 * value)))


def of_times(series: Series) -> None:
    """Two hundred response times a second, in the buckets of a load balancer."""
    noise = draws()
    for second in range(SPAN_S):
        times = ((round(next(noise) ** 3 * 40) / 1000, 5.0) for _ in range(40))
        series.add(second, Distribution.weighted(times))


def of_few(series: Series) -> None:
    for minute in range(SPAN_S // MINUTE_S):
        series.record(minute * MINUTE_S, float(minute))


KINDS: Final = {
    "shares": of_shares,
    "counts": of_counts,
    "response times": of_times,
    "one a minute": of_few,
}


def kib_of(fill: Callable[[Series], None]) -> float:
    """Return the KiB that a series takes with three hours of datapoints."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        series = Series(0)
        fill(series)
        series.changed()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert series.newest_s
    return (after - before) / KIB


# --- what is told ---------------------------------------------------------------------


def median_cpu_s(found: Sequence[Round]) -> float:
    return statistics.median(one.cpu_s for one in found)


def told(found: Sequence[Round], sizes: dict[str, float]) -> str:
    recording_s = statistics.median(one.recording_s for one in found)
    lines = [
        f"a day: {median_cpu_s(found):.1f} s of CPU,"
        f" {recording_s:.1f} s of it to record",
        *(f"three hours of {name}: {kib:.0f} KiB" for name, kib in sizes.items()),
    ]
    return "\n".join(lines)


def judge(found: Sequence[Round]) -> None:
    """Raises TooSlow where the median of the rounds is."""
    cpu_s = median_cpu_s(found)
    if cpu_s > DAY_CPU_S:
        raise TooSlow(f"{cpu_s:.1f} s for a day, not {DAY_CPU_S:g}")


def record(
    options: argparse.Namespace, found: Sequence[Round], sizes: dict[str, float]
) -> None:
    write_result(
        "series",
        "CPU of a day of one-second datapoints and alarms; memory of a series",
        {
            "services": options.services,
            "alarms": options.alarms,
            "hours": options.hours,
            "cpu_s": median_cpu_s(found),
            "rounds": [
                {
                    "recording_s": one.recording_s,
                    "alarms_s": one.alarms_s,
                    "evaluations": one.evaluations,
                    "table_bytes": one.table_bytes,
                }
                for one in found
            ],
            "kib_of_three_hours": sizes,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
