"""`alb validate`: every problem of a cluster file, with line and column."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from controlplane.commands.place import Place, variables_in
from controlplane.commands.terminal import complain, say, say_json

if TYPE_CHECKING:
    from controlplane.cluster_file import ClusterFile
    from controlplane.problems import Problem

USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", nargs="?", metavar="FILE", help="the file, as with --file"
    )


def main(args: argparse.Namespace) -> int:
    from controlplane.problems import ConfigInvalid  # noqa: PLC0415 - lazy

    if args.path:
        args.file = args.path
    place = Place.of(args)
    if args.output == "text":
        check(place)
        say(f"{place.file}: ok")
        return 0
    try:
        cluster = load(place)
    except ConfigInvalid as invalid:
        say_json({"valid": False, "problems": _documents(place, invalid.problems)})
        return USAGE
    say_json({"valid": True, "problems": _documents(place, cluster.warnings)})
    return 0


def check(place: Place) -> ClusterFile:
    """Load the file and tell its warnings. Raises ConfigInvalid, OSError."""
    cluster = load(place)
    for warning in cluster.warnings:
        complain(warning.at(str(place.file)))
    return cluster


def load(place: Place) -> ClusterFile:
    """Read and decode the file, and see what this machine has to say about it.

    Raises ConfigInvalid with every problem, OSError.
    """
    from controlplane import cluster_file, machine  # noqa: PLC0415 - takes its time
    from controlplane.tls.disk import LocalDisk  # noqa: PLC0415 - lazy

    text = place.text()
    disk = LocalDisk(place.file.parent)
    cluster = cluster_file.load(str(place.file), text, variables_in(text), disk)
    told = machine.warnings(cluster, machine.ephemeral_ports())
    return replace(cluster, warnings=(*cluster.warnings, *told))


def _documents(place: Place, problems: Sequence[Problem]) -> list[dict[str, object]]:
    return [
        {
            "file": str(place.file),
            "line": problem.line,
            "column": problem.column,
            "path": problem.path,
            "message": problem.message,
            "severity": problem.severity.value,
        }
        for problem in problems
    ]
