"""`alb deploy SERVICE`: replace a service's tasks by new ones, rolling."""

from __future__ import annotations

import argparse

from controlplane.client import path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("services", nargs="+", metavar="SERVICE")


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    for service in args.services:
        answer = control.post(path_of("v1", "services", service, "deploy"), {})
        if args.output == "json":
            say_json(answer)
        else:
            say(f"{service}: deployment started")
    return 0
