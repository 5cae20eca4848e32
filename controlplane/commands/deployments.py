"""`alb deployments SERVICE`: what became of its deployments, the newest first."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping

from controlplane.client import path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument(
        "--revisions",
        action="store_true",
        help="what each was begun with, as JSON (DescribeServiceRevisions)",
    )


def main(args: argparse.Namespace) -> int:
    what = "revisions" if args.revisions else "deployments"
    answer = control_of(args).get(path_of("v1", "services", args.service, what))
    if args.output == "json" or args.revisions:
        say_json(answer)
        return 0
    found = answer.get("serviceDeployments")
    for one in found if isinstance(found, list) else ():
        for line in _lines(one):
            say(line)
    return 0


def _lines(one: Mapping[str, object]) -> Iterator[str]:
    arn, stage = str(one["serviceDeploymentArn"]), one.get("lifecycleStage")
    begun = time.strftime(
        "%Y-%m-%d %H:%M:%S", time.localtime(_number(one, "createdAt"))
    )
    status = f"{one['status']} in {stage}" if stage else str(one["status"])
    yield f"ecs-svc/{arn.rpartition('/')[2]}  {begun}  {status}"
    yield f"    {one['statusReason']}"
    target = one.get("targetServiceRevision")
    if isinstance(target, Mapping):
        counts = f"{target['runningTaskCount']} of {target['requestedTaskCount']} run"
        percent = target.get("requestedProductionTrafficWeight")
        share = f", {percent:g} % of production traffic" if percent is not None else ""
        yield f"    {counts}{share}"
    hooks = one.get("lifecycleHookDetails")
    for hook in hooks if isinstance(hooks, list) else ():
        yield f"    hook {hook['hookId']} ({hook['targetType']}): {hook['status']}"


def _number(one: Mapping[str, object], name: str) -> float:
    value = one.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
