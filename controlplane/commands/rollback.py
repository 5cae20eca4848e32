"""`alb rollback SERVICE`: back to what a deployment of the service completed before."""

from __future__ import annotations

import argparse

from controlplane.client import path_of
from controlplane.commands.deployment import add_wait_arguments, outcome_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("services", nargs="+", metavar="SERVICE")
    add_wait_arguments(parser)


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    begun = []
    for service in args.services:
        answer = control.post(path_of("v1", "services", service, "rollback"), {})
        begun.append((service, str(answer["deploymentId"])))
        if args.output == "json":
            say_json(answer)
        else:
            say(f"{service}: rolling back to deployment {answer['deploymentId']}")
    return outcome_of(control, begun, args)
