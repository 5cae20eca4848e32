"""`alb instances [INSTANCE]`: container instances, what they have and what is left."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.client import Document, path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import complain, say, say_json, table

NOT_THERE: Final = "no container instance of that name"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instances", nargs="*", metavar="INSTANCE")
    parser.add_argument("--status", choices=("ACTIVE", "DRAINING"), help="only these")


def main(args: argparse.Namespace) -> int:
    query: dict[str, str | int | list[str]] = {"containerInstance": args.instances}
    if args.status:
        query["status"] = args.status
    path = path_of("v1", "container-instances", **query)
    answer = control_of(args).get(path)
    if args.output == "json":
        say_json(answer)
    else:
        for line in lines_of(listed(answer, "containerInstances")):
            say(line)
    return told_failures(answer, quiet=args.output == "json")


def told_failures(answer: Document, *, quiet: bool) -> int:
    """Say what is not there; return the exit status."""
    failures = listed(answer, "failures")
    for one in failures if not quiet else ():
        complain(f"alb: {short(one.get('arn'))}: {NOT_THERE}")
    return 1 if failures else 0


def lines_of(instances: Sequence[Document]) -> Sequence[str]:
    rows = [
        (
            short(one.get("containerInstanceArn")),
            attribute(one, "ecs.availability-zone"),
            one.get("status"),
            "yes" if one.get("agentConnected") else "no",
            one.get("runningTasksCount"),
            one.get("pendingTasksCount"),
            _share(one, "CPU"),
            _share(one, "MEMORY"),
            one.get("statusReason"),
        )
        for one in instances
    ]
    title = ("INSTANCE", "ZONE", "STATUS", "CONNECTED", "RUNNING", "PENDING")
    return [*table((*title, "CPU LEFT", "MEMORY LEFT", "REASON"), rows)]


def short(arn: object) -> str:
    """Return an ARN's last part: the name in the cluster file."""
    return str(arn).rpartition("/")[2]


def attribute(instance: Document, name: str) -> object:
    found = (one for one in listed(instance, "attributes") if one.get("name") == name)
    return next(found, {}).get("value")


def _share(instance: Document, resource: str) -> str:
    """Return what is left of what there is, such as ``512/2048``."""
    parts = []
    for which in ("remainingResources", "registeredResources"):
        found = (one for one in listed(instance, which) if one.get("name") == resource)
        parts.append(str(next(found, {}).get("integerValue", "?")))
    return "/".join(parts)


def listed(document: Document, name: str) -> list[Document]:
    value = document.get(name)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]
