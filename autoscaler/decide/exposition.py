"""What a service says of itself in Prometheus's text format, as samples.

Floor 1: pure. Counters become rates per second between two readings, gauges are
values, and of a histogram each bucket's growth is so many samples in its middle.
What began anew is counted from nothing; what is not a number is missing, and so
is what CloudWatch takes no sample of.

    text --> readings ;  readings before and after --> samples

Source: Prometheus documentation, "Exposition formats".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.decide.statistics import LARGEST, Distribution
from autoscaler.model import Labels

SERIES_MAX: Final = 200
"""Of one task: what comes after those is not taken."""


class Key(NamedTuple):
    name: str
    labels: Labels


class Gauge(NamedTuple):
    value: float


class Counter(NamedTuple):
    total: float


class Histogram(NamedTuple):
    """`buckets` are (upper bound, how many up to it), ascending."""

    buckets: tuple[tuple[float, float], ...]
    total: float


Reading = Gauge | Counter | Histogram


class Sampled(NamedTuple):
    key: Key
    samples: Distribution


class Unreadable(Exception):
    """The text is not what Prometheus reads."""


def readings_of(text: str) -> dict[Key, Reading]:
    """Return what `text` tells, by name and labels. Raises Unreadable."""
    found: dict[Key, Reading] = {}
    try:
        for family in text_string_to_metric_families(text):
            found.update(_of_family(family))
    except (ValueError, IndexError, KeyError) as error:
        raise Unreadable(str(error)) from error
    return found


def _of_family(family: Family) -> Iterator[tuple[Key, Reading]]:
    if family.type == "histogram":
        yield from _histograms(family)
        return
    for sample in family.samples:
        key = Key(sample.name, tuple(sorted(sample.labels.items())))
        if sample.name.endswith("_created"):
            continue
        sums = family.type == "summary" and "quantile" not in sample.labels
        grows = sums or family.type == "counter"
        yield key, Counter(sample.value) if grows else Gauge(sample.value)


def _histograms(family: Family) -> Iterator[tuple[Key, Reading]]:
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    totals: dict[Labels, float] = {}
    for sample in family.samples:
        labels = tuple(sorted(set(sample.labels.items()) - _bound(sample.labels)))
        if sample.name.endswith("_bucket"):
            bound = float(sample.labels["le"])
            buckets.setdefault(labels, []).append((bound, sample.value))
        elif sample.name.endswith("_sum"):
            totals[labels] = sample.value
    for labels, found in buckets.items():
        total = totals.get(labels, math.nan)
        yield Key(family.name, labels), Histogram(tuple(sorted(found)), total)


def _bound(labels: Mapping[str, str]) -> set[tuple[str, str]]:
    return {("le", labels["le"])} if "le" in labels else set()


def samples_between(
    before: Mapping[Key, Reading], after: Mapping[Key, Reading], elapsed_s: float
) -> Iterator[Sampled]:
    """Yield what is measured at `after`; what grows needs a reading `before`."""
    for key, reading in after.items():
        match reading, before.get(key):
            case Gauge(value), _:
                found = [value]
            case Counter(total), Counter(earlier):
                grown = total - earlier if total >= earlier else total
                found = [grown / elapsed_s]
            case Histogram(), Histogram() as earlier:
                if samples := _grown(earlier, reading):
                    yield Sampled(key, samples)
                continue
            case _:
                continue
        if all(map(_is_sample, found)):
            yield Sampled(key, Distribution.of(found))


def _is_sample(value: float) -> bool:
    return abs(value) <= LARGEST


def _grown(before: Histogram, after: Histogram) -> Distribution | None:
    """Return the samples that came in between, each in the middle of its bucket."""
    for bound, count in after.buckets:
        if not (_is_sample(count) and (_is_sample(bound) or math.isinf(bound))):
            return None
    anew = any(
        count < dict(before.buckets).get(bound, 0.0) for bound, count in after.buckets
    )
    earlier = {} if anew else dict(before.buckets)
    values: dict[float, float] = {}
    low = seen = 0.0
    for bound, count in after.buckets:
        upto = count - earlier.get(bound, 0.0)
        middle = low if math.isinf(bound) else (min(low, bound) + bound) / 2
        if upto > seen:
            values[middle] = values.get(middle, 0.0) + upto - seen
        low, seen = (low if math.isinf(bound) else bound), max(seen, upto)
    if not values:
        return None
    whole = Distribution.weighted(values.items())
    total = after.total - (0.0 if anew else before.total)
    mean = total / whole.sample_count
    if not (_is_sample(total) and _is_sample(mean)):
        return whole
    return whole._replace(
        total=total,
        minimum=min(whole.minimum, mean),
        maximum=max(whole.maximum, mean),
    )
