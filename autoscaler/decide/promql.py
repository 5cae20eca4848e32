"""What a Prometheus server answers to a query, as values with labels.

Floor 1: pure.

Source: Prometheus documentation, "HTTP API" (instant queries).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from autoscaler.decide.statistics import LARGEST
from autoscaler.model import Labels

VALUES_MAX: Final = 100
"""Of one query: what it selects beyond those is a mistake."""


@dataclass(frozen=True, slots=True)
class PromQuery:
    """A query that is asked at intervals; each value is a sample of metric `name`."""

    name: str
    endpoint: str
    """The server's URL, without ``/api/v1``."""
    query: str
    interval_s: float


class QueryFailed(Exception):
    """The server refused the query, or answered something else than values."""


def values_of(body: bytes) -> list[tuple[Labels, float]]:
    """Return each value that a sample may have, with its labels. Raises QueryFailed."""
    try:
        told = json.loads(body)
        if told["status"] != "success":
            raise QueryFailed(str(told.get("error", "it failed")))
        found = [*_values(told["data"])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise QueryFailed("what was answered is not Prometheus's JSON") from error
    if len(found) > VALUES_MAX:
        raise QueryFailed(f"it selects {len(found)} values, at most {VALUES_MAX}")
    return [(labels, value) for labels, value in found if abs(value) <= LARGEST]


def _values(told: dict[str, Any]) -> Iterator[tuple[Labels, float]]:
    if told["resultType"] == "scalar":
        yield (), float(told["result"][1])
        return
    if told["resultType"] != "vector":
        raise QueryFailed(f"it is a {told['resultType']}: ask for an instant vector")
    for one in told["result"]:
        labels = {str(name): str(text) for name, text in one["metric"].items()}
        labels.pop("__name__", None)
        yield tuple(sorted(labels.items())), float(one["value"][1])
