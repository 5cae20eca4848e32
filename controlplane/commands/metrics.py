"""`alb metrics [NAMESPACE[/METRIC]]`: what is measured, and its recent values."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from controlplane.client import Control, path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import complain, say, say_json, table
from foundation.clock import SystemClock

DESCRIPTION = """What is measured: every metric, those of a namespace with what is
newest, or one metric with its values over the last minutes. For example

  alb metrics
  alb metrics AWS/ApplicationELB
  alb metrics AWS/ApplicationELB/TargetResponseTime --statistic p99 --period 10
"""
SHOWN_MAX = 50
"""Metrics of one name whose values are asked for."""

Listed = Mapping[str, object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="NAMESPACE[/METRIC]")
    parser.add_argument(
        "--dimension",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="only metrics with this dimension; may be repeated",
    )
    parser.add_argument(
        "--statistic",
        action="append",
        default=[],
        metavar="S",
        help="Average (default), Sum, Maximum, p99 ...; may be repeated",
    )
    parser.add_argument(
        "--period", type=int, default=60, metavar="SECONDS", help="default 60"
    )
    parser.add_argument(
        "--last", type=int, default=10, metavar="N", help="periods (default 10)"
    )


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    query: dict[str, str | int | list[str]] = {"dimension": args.dimension}
    listed = _metrics(control.get(path_of("v1", "metrics", **query)))
    if not args.name:
        return _list(args, listed)
    of_namespace = [one for one in listed if one["Namespace"] == args.name]
    if of_namespace:
        return _list(args, of_namespace)
    named = [one for one in listed if _full_name(one) == args.name]
    if not named:
        from controlplane.problems import did_you_mean  # noqa: PLC0415 - difflib

        known = {str(one["Namespace"]) for one in listed} | set(map(_full_name, listed))
        hint = did_you_mean(args.name, sorted(known))
        complain(f'alb: nothing is measured under "{args.name}"{hint}')
        return 1
    return _values(args, control, named[:SHOWN_MAX])


def _list(args: argparse.Namespace, listed: Sequence[Listed]) -> int:
    if args.output == "json":
        say_json({"Metrics": listed})
        return 0
    rows = [
        (
            one["Namespace"],
            one["MetricName"],
            _dimensions(one),
            _latest(one).get("Average"),
            one["Unit"],
            _latest(one).get("Timestamp"),
        )
        for one in listed
    ]
    title = ("NAMESPACE", "METRIC", "DIMENSIONS", "NEWEST", "UNIT", "AT")
    for line in table(title, rows):
        say(line)
    return 0


def _values(args: argparse.Namespace, control: Control, named: list[Listed]) -> int:
    statistics = args.statistic or ["Average"]
    since_s = int(SystemClock().unix_s()) - args.period * (args.last + 1)
    documents = []
    for one in named:
        query: dict[str, str | int | list[str]] = {
            "namespace": str(one["Namespace"]),
            "metricName": str(one["MetricName"]),
            "dimension": [f"{name}={value}" for name, value in _pairs(one)],
            "statistics": statistics,
            "period": args.period,
            "startTime": since_s,
        }
        answer = control.get(path_of("v1", "metrics", **query))
        found = answer["Datapoints"]
        assert isinstance(found, list)
        documents.append({**one, "Datapoints": found[-args.last :]})
    if args.output == "json":
        say_json({"Metrics": documents})
        return 0
    for document in documents:
        say(f"{_full_name(document)} {_dimensions(document)} ({document['Unit']})")
        points = document["Datapoints"]
        assert isinstance(points, list)
        rows = [
            (point["Timestamp"], *(_value(point, name) for name in statistics))
            for point in points
        ]
        for line in table(("AT", *statistics), rows):
            say(f"  {line}")
    return 0


def _value(point: Listed, name: str) -> str:
    extended = point.get("ExtendedStatistics", {})
    assert isinstance(extended, Mapping)
    value = point.get(name, extended.get(name))
    return "-" if value is None else f"{value:.6g}"


def _metrics(answer: Listed) -> list[Listed]:
    found = answer["Metrics"]
    assert isinstance(found, list)
    return found


def _full_name(one: Listed) -> str:
    return f"{one['Namespace']}/{one['MetricName']}"


def _latest(one: Listed) -> Listed:
    found = one["Latest"]
    assert isinstance(found, Mapping)
    return found


def _pairs(one: Listed) -> list[tuple[str, str]]:
    found = one["Dimensions"]
    assert isinstance(found, list)
    return [(pair["Name"], pair["Value"]) for pair in found]


def _dimensions(one: Listed) -> str:
    return " ".join(f"{name}={value}" for name, value in _pairs(one))
